# SPDX-License-Identifier: GPL-2.0
# Prints comments, headings and sentences that start with a pronoun in the place of a noun, and subjects of patches that
# are not imperative, as FILE:LINE: TEXT. Reads sources, scripts, documents, covers and patches; of a patch only the
# message and the lines that it adds. Questions in documents are left out.

function report(text) { printf "%s:%d: %s\n", FILENAME, FNR, text }

function kind_of(name) {
	if (name ~ /\.([ch]|pml)$/) return "c"
	if (name ~ /\.(md|rst|8)$|(^|\/)cover$/) return "text"
	return "hash"
}

function begin() { fresh = 1; ended = 0; comment = 0; fence = 0 }

# pronoun TEXT: true if TEXT starts with one of the words.
function pronoun(text) {
	return text ~ /^(who|what|whose|those|that|Who|What|Whose|Those|That)([^A-Za-z0-9_=(\/-]|$)/ &&
		!(kind == "text" && text ~ /^[^.]*\?/)
}

# check TEXT: the text of one line; a paragraph starts here if fresh is set.
function check(text,   rest) {
	gsub(/\t/, " ", text)
	sub(/^ +/, "", text)
	sub(/ +$/, "", text)
	if (text == "") { fresh = 1; ended = 0; return }
	if (sub(/^(([-*#>]|[0-9]+\.|#+) +)+/, "", text)) fresh = 1
	rest = text
	gsub(/[*`"]/, "", rest)
	if (fresh && pronoun(rest)) report(text)
	else if (ended && rest ~ /^[A-Z]/ && pronoun(rest)) report(text)
	else if (kind != "text" && match(rest, /^@?[A-Za-z_][A-Za-z0-9_|.\[\]()@ -]*(: | - )/) && RLENGTH < 60 &&
		 (fresh || rest ~ /^@/) && pronoun(substr(rest, RLENGTH + 1))) report(text)
	else {
		while (match(rest, /[.!?:] +[WT]/)) {
			rest = substr(rest, RSTART + RLENGTH - 1)
			if (pronoun(rest)) { report(text); break }
		}
	}
	fresh = 0
	ended = text ~ /[.!?:][)"`*]*$/
}

function c_line(line,   at) {
	while (line != "") {
		if (comment) {
			sub(/^[ \t]*\*([ \t]|$)/, "", line)
			at = index(line, "*/")
			if (!at) { check(line); return }
			check(substr(line, 1, at - 1))
			line = substr(line, at + 2)
			comment = 0
		} else if (match(line, /(^|[ \t;{}),])\/\/ /)) {
			if (line !~ /^[ \t]*\/\//) fresh = 1
			check(substr(line, RSTART + RLENGTH))
			return
		} else if ((at = index(line, "/*")) > 0) {
			line = substr(line, at + 2)
			sub(/^\*+/, "", line)
			comment = fresh = 1
			ended = 0
		} else {
			fresh = 1
			return
		}
	}
	if (comment) check("")
}

function hash_line(line) {
	if (line ~ /^[ \t]*#(!|.*shellcheck |.*SPDX-)/) { fresh = 1; return }
	if (line ~ /^[ \t]*#/) { sub(/^[ \t]*#+/, "", line); check(line); return }
	fresh = 1
	if (match(line, /[ \t]#[ \t]/)) { check(substr(line, RSTART + 2)); fresh = 1 }
}

function text_line(line) {
	if (line ~ /^[ >]*```/) { fence = !fence; fresh = 1; return }
	if (fence || line ~ /^(\t|    )/) { fresh = 1; return }
	if (line ~ /^\.[A-Z][A-Z]/) { sub(/^\.[A-Z]+ */, "", line); check(line); fresh = 1; return }
	check(line)
}

function source_line(line) {
	if (kind == "c") c_line(line)
	else if (kind == "text") text_line(line)
	else hash_line(line)
}

# subject TEXT: the first word of what follows the prefixes is a verb in the imperative.
function subject(text,   word) {
	sub(/^Subject: (\[[^]]*\] )?/, "", text)
	word = text
	while (match(word, /^[^ :]+([ ,]+[^ :]+)?: /)) word = substr(word, RLENGTH + 1)
	sub(/ .*/, "", word)
	if (word ~ /(ed|ing|s)$/ && word !~ /(ss|eed)$/ && word !~ /^(bring|string|ping|embed|shed|focus)$/) report(text)
}

FNR == 1 {
	begin()
	patch = FILENAME ~ /\.patch$/
	message = patch
	kind = patch ? "text" : kind_of(FILENAME)
}
patch && message && /^Subject: / { subject($0); begin(); next }
patch && message && /^(From|Date|Overlay|Fixes|Cc|Link|Reported-by|Closes): / { begin(); next }
patch && /^diff --git / { message = 0; kind = kind_of($NF); begin(); next }
patch && message { text_line($0); next }
patch && /^\+\+\+ / { next }
patch && /^\+/ { source_line(substr($0, 2)); next }
patch { if (!comment || /^@@/) begin(); next }
{ source_line($0) }
