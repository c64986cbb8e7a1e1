# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of sluiced(8) for bash: it has options only.

_sluiced() {
	local word=${COMP_WORDS[COMP_CWORD]}
	if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --config ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "--config --check --help --version" -- "$word")
	fi
}

complete -F _sluiced sluiced
