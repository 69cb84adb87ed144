# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Keeps a private apt state per Debian release under build/apt, with its own lists,
# cache and dpkg status. Mirror, key, proxy and login are copied from the machine.

# room DIR MB WHAT: exits if DIR has less free space. Called before a download, because apt may hang on a full disk.
room() {
	local free on
	read -r free on < <(df -Pm "$1" | awk 'NR == 2 { print $4, $6 }')
	[ "$free" -ge "$2" ] || die "no room for $3: $1 needs $2 MB, $free MB are free on $on; free some space and run again"
}

# releases: prints the releases to search for kernels, the machine's own first.
releases() {
	local own
	# shellcheck source=/dev/null
	own=$(. /etc/os-release && echo "${ID:-}:${VERSION_CODENAME:-}")
	case $own in
	debian:bookworm) echo bookworm trixie ;;
	debian:trixie)   echo trixie bookworm ;;
	*) die "this machine is ${own%%:*}, not Debian 12 or 13: give a built kernel tree with KSRC=/path" ;;
	esac
}

# entries: prints the machine's apt sources as "suites|uri|components|options".
entries() {
	local f
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] && deb822_entries <"$f"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] && oneline_entries <"$f"
	done
	return 0
}

# An inline key has a blank line as " .": copy only a file name or a fingerprint.
deb822_entries() {
	awk '
	function flush(  n, i, u) {
		if (f["enabled"] != "no" && f["types"] ~ /(^| )deb( |$)/) {
			n = split(f["uris"], u, " ")
			for (i = 1; i <= n; i++)
				print f["suites"] "|" u[i] "|" f["components"] "|" \
					(f["signed-by"] ~ /^[^ ]+$/ ? "signed-by=" f["signed-by"] : "")
		}
		delete f; key = ""
	}
	/^#/ { next }
	/^[ \t]*$/ { flush(); next }
	/^[ \t]/ { sub(/^[ \t]+/, ""); f[key] = f[key] (f[key] == "" ? "" : " ") $0; next }
	{ key = tolower($0); sub(/:.*/, "", key); sub(/^[^:]*:[ \t]*/, ""); f[key] = $0 }
	END { flush() }'
}

oneline_entries() {
	sed -nE 's/[[:space:]]*#.*//; s/^deb[[:space:]]+(\[([^]]*)\][[:space:]]+)?([^[:space:]]+)[[:space:]]+([^[:space:]]+)[[:space:]]*(.*)$/\4|\3|\5|\2/p'
}

# archive SUITE: prints URI and options of the entry of Debian's archive for SUITE. Other archives
# use Debian's suite names, too, so prefer an entry with Debian's own key.
archive() {
	entries | awk -F'|' -v want="$1" '
	$2 !~ /^cdrom:/ && (" " $3 " ") ~ / main / && (" " $1 " ") ~ (" (" want ") ") {
		sub(/.*signed-by=/, "signed-by=", $4); sub(/ .*/, "", $4)
		if ($4 !~ /^signed-by=/) $4 = ""
		rank = $4 ~ /debian-archive/ ? 2 : $4 == "" ? 1 : 0
		if (!best || rank > bestrank) { best = $2 " " $4; bestrank = rank }
	}
	END { if (best) print best; else exit 1 }'
}

# write_sources RELEASE: writes the private sources.list.
write_sources() {
	local own uri opt suite
	own=$(releases) own=${own%% *}
	read -r uri opt < <(archive "$own|stable|$own-updates") ||
		die "no entry of Debian's archive ($own main) in apt's sources: add one, or give KSRC=/path"
	for suite in "$1" "$1-updates" "$1-backports"; do
		echo "deb [arch=amd64 $opt] $uri $suite main"
	done
	if read -r uri opt < <(archive "$own-security|stable-security|$own/updates"); then
		echo "deb [arch=amd64 $opt] $uri $1-security main"
	fi
}

# apt_state RELEASE: creates the private state and prints the path of its configuration.
# The machine's apt.conf is not read, because its hooks must not run here; only its
# settings for the connection to the mirror are copied.
apt_state() {
	local d=$BUILD/apt/$1
	mkdir -p "$d/lists/partial" "$d/parts" "$d/cache/archives/partial" || die "cannot write to $d: check its owner and the free space"
	: >"$d/status"
	write_sources "$1" >"$d/sources.list.new"
	mv "$d/sources.list.new" "$d/sources.list"
	{
		printf '%s "%s";\n' Dir::Etc::main /dev/null Dir::Etc::parts "$d/parts" \
			Dir::Etc::sourcelist "$d/sources.list" Dir::Etc::sourceparts "$d/parts" \
			Dir::Etc::preferences /dev/null Dir::Etc::preferencesparts "$d/parts" \
			Dir::State "$d" Dir::State::lists "$d/lists" Dir::State::status "$d/status" \
			Dir::Cache "$d/cache" Acquire::Languages none \
			APT::Update::Error-Mode any APT::Architecture amd64 Acquire::Retries 2 Acquire::http::Timeout 60 Acquire::https::Timeout 60
		[ "$(id -u)" != 0 ] || echo 'APT::Sandbox::User "root";'
		apt-config dump | grep -E '^Acquire::((http|https|ftp)::|ForceIPv|Check-)' || true
	} >"$d/apt.conf"
	echo "$d/apt.conf"
}

# apt_update RELEASE: fetches the package lists; false on failure.
apt_update() {
	local d=$BUILD/apt/$1 conf
	conf=$(apt_state "$1") || exit 1
	room "$d" 150 "the package lists"
	note "fetching the package lists of Debian $1"
	APT_CONFIG=$conf timeout 600 apt-get update >"$d/log" 2>&1
}

# apt_why RELEASE: prints the first error of apt.
apt_why() { sed -n 's/^[EW]: //p' "$BUILD/apt/$1/log" | head -1 | cut -c1-160; }

# apt_table RELEASE: prints "name version arch path size sha256 depends..." of all kernel packages of K.
apt_table() {
	local conf files
	conf=$(apt_state "$1") || exit 1
	# shellcheck disable=SC2016 # for apt to fill in
	mapfile -t files < <(APT_CONFIG=$conf apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages')
	[ ${#files[@]} -gt 0 ] || return 0
	APT_CONFIG=$conf /usr/lib/apt/apt-helper cat-file "${files[@]}" | awk -v k="$K" '
	BEGIN { gsub(/\./, "\\.", k); want = "^linux-(source|image|binary|modules|base|headers|kbuild)-" k "([.+-]|$)" }
	/^Package: / { on = $2 ~ want; delete f }
	on && /^[A-Za-z0-9]+: / { key = $1; sub(/^[^ ]+ /, ""); f[key] = $0 }
	on && /^$/ { print f["Package:"], f["Version:"], f["Architecture:"], f["Filename:"], f["Size:"], f["SHA256:"], f["Depends:"]; on = 0 }
	' | sort -u
}
