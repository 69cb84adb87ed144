# SPDX-License-Identifier: GPL-2.0
# Reads the TAP of several programs, prints it as it is read, and counts the results.
#
# Marks between the lines of the programs:
#   #### begin PROGRAM          #### end PROGRAM STATUS
#   #### feature yes|no         the kernel has modes
#   #### problem TEXT           a failure that belongs to no test
#   #### complete               the last mark of a complete run
#
# Variables: known, flaky, skips: files of "PROGRAM.TEST" lines, # comments; in skips
#           also "PROGRAM.*"
#   expect=1  a kernel's own modules run: if it has the feature, tests in known must
#             fail, and tests in flaky may fail
#   all=1     every program was to be run
#   ci=1      a skip is a failure, except for tests in skips
#   whole=1   the input must end with the mark complete
#
# A program passes if its plan is complete, in order and without gaps, and its exit
# status agrees with the results. Missing results count as failures.

function load(file, into,	line) {
	while (file != "" && (getline line < file) > 0) {
		sub(/[ \t]*#.*/, "", line)
		if (line != "") into[line] = 1
	}
}

function say(line) { print line; fflush() }

function pass() { passed++ }

function fail(what) { failed++; failures = failures "# failed: " what "\n" }

# Each result is counted once, here.
function judge(name, ok) {
	seen[name] = 1
	if (expect && feature && (name in KNOWN)) {
		if (ok) { fail(name ": no longer different"); return }
		say("# known difference: " name)
		pass()
	} else if (!ok && expect && feature && (name in FLAKY)) {
		say("# known difference, by chance: " name)
		pass()
	} else if (ok) {
		pass()
	} else {
		fail(name)
	}
}

function skip(name, why) {
	seen[name] = 1
	if (ci && !(name in SKIPS) && !((program ".*") in SKIPS)) fail(name ": skipped: " why)
	else skipped++
}

function begin(name) {
	finish("it never ended")
	program = name
	plan = -1
	last = bad = bailed = 0
}

# finish TROUBLE: ends the current program. TROUBLE is the reason for a failure, if known.
function finish(trouble,	i) {
	if (program == "") return
	if (bailed) trouble = "it bailed out"
	else if (trouble == "" && plan < 0) trouble = "it has no plan"
	else if (trouble == "" && disorder) trouble = "its test lines are out of order"
	for (i = last + 1; i <= plan; i++) fail(program ": test " i " of " plan " did not report")
	if (trouble == "" && plan < last) trouble = "more tests than planned"
	if (trouble != "") fail(program ": " trouble)
	program = ""
	disorder = 0
}

function end(status) {
	if (status == 124 || status == 137) finish("it ran out of time")
	else if (status != 0 && !bad && !(status == 4 && plan == 0)) finish("exit status " status " without a failed test")
	else finish("")
}

function directive(line, word,	at) {
	at = match(toupper(line), "#[ \t]*" word "[ \t:]*")
	return at ? substr(line, at + RLENGTH) : ""
}

function result(line, ok,	number, name) {
	sub(/^(not )?ok */, "", line)
	number = line + 0
	sub(/^[0-9]+ */, "", line)
	if (number != last + 1) disorder = 1
	last = number > last ? number : last
	if (!ok) bad = 1
	name = line
	sub(/^- */, "", name)
	sub(/[ \t]+#.*/, "", name)
	sub(/^#.*/, "", name)
	name = program "." (name == "" ? number : name)
	if (toupper(line) ~ /(^|[ \t])#[ \t]*SKIP/ && ok) skip(name, directive(line, "SKIP"))
	else judge(name, ok)
}

BEGIN {
	load(known, KNOWN)
	load(flaky, FLAKY)
	load(skips, SKIPS)
}

{ sub(/\r$/, "") }

/^#### begin / { begin($3); say("# " program); next }
/^#### end / { if ($3 == program) end($4); else fail("an end of " $3 " inside of " program); next }
/^#### feature / { feature = $3 == "yes"; next }
/^#### problem / { sub(/^#### problem /, ""); say("# problem: " $0); fail($0); next }

/^#### complete$/ { complete = 1; next }

{ say($0) }

program == "" { next }

/^1\.\.[0-9]+/ {
	if (plan >= 0) disorder = 1
	plan = substr($1, 4) + 0
	if (plan == 0) {
		if (toupper($0) ~ /#[ \t]*SKIP/) skip(program, directive($0, "SKIP"))
		else disorder = 1
	}
}
/^ok [0-9]+/ { result($0, 1) }
/^not ok [0-9]+/ { result($0, 0) }
/^Bail out!/ { bailed = 1 }

END {
	finish("it never ended")
	if (expect && feature && all)
		for (name in KNOWN)
			if (!(name in seen)) fail(name ": a known difference that no test reports")
	if (passed + failed + skipped == 0) fail("no test ran")
	if (whole && !complete) fail("the run ended before all was done")
	printf "%s", failures
	if (skipped) printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	else printf "%d passed, %d failed\n", passed, failed
	exit failed > 0
}
