# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of vsockns(8) for bash.

_vsockns() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i words=

	COMPREPLY=()
	if [ "${COMP_WORDS[1]}" = exec ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			[ "${COMP_WORDS[i]}" = -- ] || continue
			if [ $((i + 1)) = "$COMP_CWORD" ]; then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u)
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			return
		done
	fi
	if [ "$COMP_CWORD" = 1 ]; then
		words='list vms add exec default g2h check --help'
	elif [ "$prev" = --mode ]; then
		words='local global'
	else
		case ${COMP_WORDS[1]} in
		list | vms | check) words=--json ;;
		add) words=--mode ;;
		exec) words='--mode --' ;;
		default) words='local global --yes' ;;
		g2h) words="--shared $(cd /run/netns 2>/dev/null && echo *)" ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _vsockns vsockns
