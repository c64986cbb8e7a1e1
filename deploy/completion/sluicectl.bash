# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of sluicectl(8) for bash. Verbs come from its own help and backends from its own maps, so nothing here has to
# follow either; whoever may not read the maps gets no backends.

# _sluicectl_ask ARGS...: what this sluicectl says, with the --config of the line, and without its complaints
_sluicectl_ask() {
	local i
	local -a config=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--config) config=(--config "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	"${COMP_WORDS[0]}" "${config[@]}" "$@" 2>/dev/null
}

_sluicectl_verbs() {
	_sluicectl_ask --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

# _sluicectl_options VERB: those that its line of the help names
_sluicectl_options() {
	_sluicectl_ask --help | grep -E "^  $1 " | grep -oE -- '--[a-z]+'
}

# SERVICE/PORT of each backend; a service's keys stand before its port's
_sluicectl_backends() {
	_sluicectl_ask --json backends | sed -nE '
		s/^[[:space:]]*"service":[[:space:]]*"([^"]*)".*/\1/; t hold
		s/^[[:space:]]*"port":[[:space:]]*([0-9]+).*/\1/; t print
		b
		:hold
		h
		b
		:print
		x; G; s#\n#/#; p'
}

_sluicectl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb="" i words=""
	COMPREPLY=()
	if [[ $before == --config ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--config) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $verb in
	'') words="$(_sluicectl_verbs) --config --json --help" ;;
	drain | undrain | weight | why) words="$(_sluicectl_backends) $(_sluicectl_options "$verb")" ;;
	*) words=$(_sluicectl_options "$verb") ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _sluicectl sluicectl
