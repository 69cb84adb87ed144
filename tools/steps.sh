# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by .ci/run and tools/long/nightly, which run other checks as steps. Each step is
# a command with a time limit. The results of all steps are added up: of each step its
# last summary, or else its lines "ok" and "not ok", or else the step as one test.

PASSED=0 FAILED=0 SKIPPED=0 FAILURES=
SUM='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'
LOG=$(mktemp)
STEP=
trap 'rm -f "$LOG"; [ -z "$STEP" ] || kill "$STEP" 2>/dev/null' EXIT
trap 'exit 130' INT TERM HUP

# failures NAME STATUS: prints the tests of the step that failed, if it names them.
failures() {
	echo "# $1 failed with exit status $2"
	grep -E '^(not ok |# failed: )' "$LOG" | head -n 20 | sed -E 's/^#? ?/#   /' || true
}

# count NAME STATUS: adds the results of the step. A step that failed without a failed
# test, or ran no test, counts as one failure.
count() {
	local line ok=0 bad=0
	line=$(grep -E "$SUM" "$LOG" | tail -n 1) || true
	if [[ $line =~ $SUM ]]; then
		ok=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
		SKIPPED=$((SKIPPED + ${BASH_REMATCH[4]:-0}))
	elif [[ $1 != check* ]]; then
		ok=$(grep -c '^ok ' "$LOG") || true
		bad=$(grep -c '^not ok ' "$LOG") || true
		if [ $((ok + bad)) = 0 ] && [ "$2" = 0 ]; then ok=1; fi
	fi
	if [ "$bad" = 0 ] && { [ "$2" != 0 ] || [ "$ok" = 0 ]; }; then bad=1; fi
	PASSED=$((PASSED + ok)) FAILED=$((FAILED + bad))
	[ "$bad" = 0 ] || FAILURES+=$(failures "$1" "$2")$'\n'
}

# step NAME SECONDS COMMAND...: runs in the background, because bash runs a trap only when
# its foreground command has ended. The command is killed when its parent exits.
step() {
	local name=$1 limit=$2 rc=0 began=$SECONDS
	shift 2
	echo "# $name"
	(
		setpriv --pdeathsig TERM -- timeout -k 60 "$limit" "$@" </dev/null 2>&1 | tee "$LOG" |
			sed -u -E "s/$SUM/# $name: &/" || exit "${PIPESTATUS[0]}"
	) &
	STEP=$!
	wait "$STEP" || rc=$?
	STEP=
	[ "$rc" != 124 ] || echo "# $name: not finished after $limit s"
	echo "# $name: exit status $rc after $((SECONDS - began)) s"
	count "$name" "$rc"
}

# summary: prints the failed tests and the last line; false if anything failed.
summary() {
	local line="$PASSED passed, $FAILED failed"
	[ "$SKIPPED" = 0 ] || line+=", $SKIPPED skipped"
	printf %s "$FAILURES"
	echo "$line"
	[ "$FAILED" = 0 ]
}
