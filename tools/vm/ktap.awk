# SPDX-License-Identifier: GPL-2.0
# Turns the KTAP of a kernel's KUnit suites into flat TAP, and counts.
#
# A test is a case of a suite; its parameters are shown if it fails, as all that
# was said since the case before. What a plan promises and no line reports is a
# failure. After the suites stands what became of the kernel's log:
#
#   #### log clean        or        #### log COMPLAINT...

function report(ok, name, directive) {
	number++
	printf "%sok %d - %s%s\n", ok ? "" : "not ", number, name, directive
	if (directive != "") skipped++
	else if (ok) passed++
	else { failed++; failures = failures "# failed: " name "\n" }
	if (!ok) printf "%s", said
	said = ""
	fflush()
}

function end_suite(	i) {
	for (i = last + 1; i <= plan; i++) report(0, suite ": case " i " of " plan " did not report", "")
	if (suite != "" && !plan) report(0, suite ": has no plan", "")
	suite = ""
	plan = last = 0
}

# result INDENT: of a line "ok 3 name # SKIP why".
function result(line, ok,	name, directive) {
	sub(/^ *(not )?ok [0-9]+ (- )?/, "", line)
	name = directive = line
	sub(/ # SKIP.*/, "", name)
	directive = directive == name ? "" : substr(directive, length(name) + 1)
	report(ok, suite "." name, directive)
}

{ sub(/\r$/, "") }

/^#### log / {
	end_suite()
	for (i = ended + 1; i <= suites; i++) report(0, "suite " i " of " suites " did not report", "")
	if (!suites) report(0, "the kernel ran no suite", "")
	log_seen = 1
	sub(/^#### log /, "")
	if ($0 == "clean") { report(1, "the kernel's log has no complaint", ""); exit }
	said = ""
}

{ said = said "#   " $0 "\n"; if (length(said) > 20000) said = substr(said, 5000) }

/^1\.\.[0-9]+/ && !suites { suites = substr($1, 4) + 0 }
/^    # Subtest: / { end_suite(); suite = $3 }
/^    1\.\.[0-9]+/ { plan = substr($1, 4) + 0 }
/^    ok [0-9]+ / { last = $2; result($0, 1) }
/^    not ok [0-9]+ / { last = $3; result($0, 0) }
/^(not )?ok [0-9]+ / { ended++; end_suite(); said = "" }

END {
	if (log_seen != 1) report(0, "the run ended early", "")
	else if (said != "") report(0, "the kernel's log has complaints", "")
	printf "1..%d\n%s", number, failures
	printf "%d passed, %d failed", passed, failed
	if (skipped) printf ", %d skipped", skipped
	print ""
	exit failed > 0
}
