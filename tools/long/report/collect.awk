# SPDX-License-Identifier: GPL-2.0
# Reads samples "KERNEL sample WORK N VALUE", sorted by all of these. Writes a CSV with
# medians and spread for each subject (the part of WORK before the /) to dir.

function quantile(q,    at) { at = q * (count - 1) + 1; return value[int(at)] + (at - int(at)) * (value[int(at) + (at > int(at))] - value[int(at)]) }

function row(    subject, file) {
	if (!count)
		return
	subject = work
	sub("/.*", "", subject)
	file = dir "/" subject ".csv"
	if (!(file in begun)) {
		print "kernel,work,n,median,p25,p75,runs,min,max" >file
		begun[file] = 1
	}
	printf "%s,%s,%s,%.2f,%.2f,%.2f,%d,%.2f,%.2f\n", kernel, work, n, quantile(0.5), quantile(0.25), quantile(0.75),
		count, value[1], value[count] >file
	count = 0
}

$1 != kernel || $3 != work || $4 != n { row() }
{ kernel = $1; work = $3; n = $4; value[++count] = $5 }
END { row() }
