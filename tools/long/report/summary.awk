# SPDX-License-Identifier: GPL-2.0
# Reads the CSVs of tools/long/bench and prints a table with each bound, the measured value
# and whether the bound is met, and then a table of all measurements.

BEGIN {
	FS = ","
	# work | bound of ours at any N to ours at N = 1 | bound of ours to stock, both at N = 1
	bounds = "roundtrip/oldest 1.1 1.02s;roundtrip/newest 1.1 1.02s;roundtrip/random 1.1 1.02s;connect/beside 1.1 1.05;" \
		"namespace/oldest 1.1 1.05;namespace/random 1.1 1.05;vm/oldest 1.1 1.05;vm/random 1.1 1.05;" \
		"vm-close/vm-close 1.2 -;bind/bind 1.2 1.05;bind/socket-bind-close 1.2 1.05"
}

FILENAME ~ /\/missed$/ {
	if ($0 !~ /^#/ && split($0, f, /[ \t]+/) == 3)
		known[f[1], f[2]] = f[3]
	next
}
FILENAME ~ /kernels\.csv$/ { release[$1] = $2; next }
$1 == "kernel" { next }
{
	key = $1 SUBSEP $2 SUBSEP $3
	median[key] = $4; p25[key] = $5; p75[key] = $6; runs[key] = $7; max[key] = $9
	if (!(($2, $3) in seen)) {
		seen[$2, $3] = 1
		row_work[++rows] = $2
		row_n[rows] = $3
	}
	if ($3 + 0 > largest[$1, $2])
		largest[$1, $2] = $3 + 0
}

function has(kernel, work, n) { return (kernel SUBSEP work SUBSEP n) in median }
function med(kernel, work, n) { return median[kernel, work, n] }

# A known miss that has not grown gets a verdict of its own.
function verdict(work, other, ratio, bound) {
	judged++
	if (ratio <= bound + 0.00001)
		return "ok"
	missed++
	return (work, other) in known && ratio <= known[work, other] + 0 ? "missed, as known" : "MISSED"
}

function number(v) { return sprintf(v >= 1000 || v == int(v) ? "%.0f" : v >= 10 ? "%.1f" : "%.3f", v) }

# The largest of our medians at any N, compared with the one at N = 1.
function flat(work, bound,    i, worst, at) {
	for (i = 1; i <= rows; i++)
		if (row_work[i] == work && has("ours", work, row_n[i]) && med("ours", work, row_n[i]) > worst) {
			worst = med("ours", work, row_n[i])
			at = row_n[i]
		}
	worst /= med("ours", work, 1)
	printf "| %s | N = 1 ... %d to N = 1 | %.3f (at %d) | %s | %s |\n", work, largest["ours", work], worst, at, bound, verdict(work, "ours", worst, bound)
}

# An "s" after the bound: stock's own spread is the bound if it is larger.
function against(other, work, n, bound,    ratio, spread) {
	if (!has("ours", work, n) || !has(other, work, n))
		return
	if (bound ~ /s$/) {
		spread = p75[other, work, n] / p25[other, work, n]
		bound += 0
		if (spread > bound)
			bound = spread
	}
	ratio = med(other, work, n) ? med("ours", work, n) / med(other, work, n) : (med("ours", work, n) ? 99 : 1)
	printf "| %s | N = %s, to %s | %s / %s = %.3f | %s | %s |\n", work, n, other, number(med("ours", work, n)),
		number(med(other, work, n)), ratio, bound ~ /\.[0-9][0-9][0-9]/ ? sprintf("%.3f", bound) : bound, verdict(work, other, ratio, bound)
}

# Our median against a number of instructions, or against our median of another work.
function at_most(work, bound) {
	if (has("ours", work, 1))
		printf "| %s | instructions | %s | %s | %s |\n", work, number(med("ours", work, 1)), bound,
			verdict(work, "none", med("ours", work, 1), bound)
}

function below(work, other,    ratio) {
	if (!has("ours", work, 1) || !has("ours", other, 1))
		return
	ratio = med("ours", work, 1) / med("ours", other, 1)
	printf "| %s | to %s | %s / %s = %.3f | 1 | %s |\n", work, other, number(med("ours", work, 1)),
		number(med("ours", other, 1)), ratio, verdict(work, other, ratio, 1)
}

function dump(work,    i) {
	for (i = 1; i <= rows; i++)
		if (row_work[i] == work && has("ours", work, row_n[i]))
			printf "| %s | the most in a dump of %s | %d (stock %s, mainline %s) | 0 | %s |\n", work, row_n[i],
				max["ours", work, row_n[i]], max["stock", work, row_n[i]], max["mainline", work, row_n[i]],
				verdict(work, "none", max["ours", work, row_n[i]], 0)
}

function cell(kernel, work, n) {
	if (!has(kernel, work, n))
		return "-"
	return number(med(kernel, work, n)) " (" number(p25[kernel, work, n]) " - " number(p75[kernel, work, n]) ")"
}

END {
	printf "stock %s, mainline %s; medians of %s%s\n\n", release["stock"], release["mainline"], "the runs in the CSVs",
		quick ? " (a quick run: few Ns, few runs)" : ""
	print "| work | what to what | ratio | bound | |"
	print "| --- | --- | --- | --- | --- |"
	count = split(bounds, bound, ";")
	for (b = 1; b <= count; b++) {
		split(bound[b], f, " ")
		if (!has("ours", f[1], 1))
			continue
		flat(f[1], f[2])
		if (f[3] != "-")
			against("stock", f[1], 1, f[3])
	}
	for (i = 1; i <= rows; i++)
		if (row_work[i] == "stream/instructions-a-byte")
			against("stock", row_work[i], row_n[i], "1.02")
	at_most("trips/one-vsock", 11500); at_most("trips/two-vsock", 19000); at_most("trips/one-vsock-seqpacket", 12000)
	at_most("beside/two-vsock-p50", 25000); at_most("beside/two-vsock-p99", 600000)
	below("trips/one-vsock", "trips/one-tcp"); below("trips/two-vsock", "trips/two-tcp")
	against("mainline", "netns/instructions-global", 1, "1")
	against("mainline", "netns/slab-global", 1, "1")
	dump("dump/missed"); dump("dump/twice"); dump("dump/missed-quiet"); dump("dump/twice-quiet")
	printf "\n%d of %d bounds met\n\n", judged - missed, judged

	print "| work | N | stock | ours | mainline |"
	print "| --- | ---: | ---: | ---: | ---: |"
	for (i = 1; i <= rows; i++)
		printf "| %s | %s | %s | %s | %s |\n", row_work[i], row_n[i], cell("stock", row_work[i], row_n[i]),
			cell("ours", row_work[i], row_n[i]), cell("mainline", row_work[i], row_n[i])
}
