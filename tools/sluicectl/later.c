/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verbs that the contract names and that are not built yet: they say so, and do not look as if they had done something.
 */
#include "command.h"

int verb_later(const struct command *command)
{
	command_error("%s: not built yet", command->verb);
	return EXIT_USAGE;
}
