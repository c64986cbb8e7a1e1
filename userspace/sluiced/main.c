/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of sluiced, and nothing else. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "daemon.h"
#include "dry_run.h"
#include "version.h"

static const char usage[] =
	"usage: sluiced [--config FILE] [--check | --dry-run]\n"
	"\n"
	"Keeps the BPF maps of Sluice right, from Marathon, Consul and the kernel. Runs in the foreground.\n"
	"\n"
	"  --config FILE  configuration; default: $SLUICE_CONFIG, else " CONFIG_DEFAULT_FILE "\n"
	"  --check        say whether the configuration is good, and end\n"
	"  --dry-run      follow the sources and print what would be done; changes nothing\n"
	"  --help         this text\n"
	"  --version      version and ABI\n"
	"\n"
	"SIGHUP reads the configuration again; SIGTERM ends the daemon and leaves the data plane as it is.\n";

static int check(const char *file)
{
	char error[CONFIG_ERROR_LEN] = "";
	struct config *config = config_load(file, error);
	bool bad = !config || config_check_files(config, error);

	config_free(config);
	if (!bad) {
		printf("%s: good\n", file);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "sluiced: %s\n", error);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "dry-run", no_argument, NULL, 'n' },	    { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },	    { NULL, 0, NULL, 0 },
	};
	const char *file = getenv("SLUICE_CONFIG");
	char error[CONFIG_ERROR_LEN + 64] = "";
	bool only_check = false, dry = false;
	int option, err;

	if (!file || !file[0])
		file = CONFIG_DEFAULT_FILE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'n':
			dry = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'v':
			printf("sluiced %s (ABI %d)\n", SLUICE_VERSION, SLUICE_ABI);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (only_check && dry) {
		fputs(usage, stderr);
		return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "sluiced: unexpected argument: %s\n", argv[optind]);
		return 2;
	}
	if (only_check)
		return check(file);
	err = dry ? dry_run(file, error, sizeof(error)) : daemon_run(file, error, sizeof(error));
	if (!err)
		return EXIT_SUCCESS;
	fprintf(stderr, "sluiced: %s\n", error);
	return EXIT_FAILURE;
}
