/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sluicectl version. Needs no configuration: what cannot be read is left out. JSON: version, abi, attached_abi or null.
 */
#include "version.h"

#include <bpf/bpf.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "maps.h"

/*
 * ABI of what is attached, 0 if nothing is, or it cannot be told. Only magic and number are asked for: they have stood first in every
 * ABI, while maps that this program knows may be missing there or be of other sizes.
 */
static unsigned attached_abi(const struct command *command)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	char error[CONFIG_ERROR_LEN], path[512];
	struct config *config = config_load(command->config_file, error);
	union {
		struct sluice_meta meta;
		char room[4096]; /* for one that is larger than ours */
	} value;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), key = 0;
	unsigned abi = 0;
	int fd;

	if (!config)
		return 0;
	snprintf(path, sizeof(path), "%.400s/" SLUICE_MAP_META, config->pin_dir);
	config_free(config);
	fd = bpf_obj_get_opts(path, &options);
	if (fd < 0)
		return 0;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.value_size >= 8 &&
	    info.value_size <= sizeof(value) && !bpf_map_lookup_elem(fd, &key, &value) &&
	    value.meta.magic == SLUICE_MAGIC)
		abi = value.meta.abi;
	close(fd);
	return abi;
}

int verb_version(const struct command *command)
{
	unsigned abi = attached_abi(command);

	if (command->json) {
		cJSON *document = cJSON_CreateObject();

		cJSON_AddStringToObject(document, "version", SLUICE_VERSION);
		cJSON_AddNumberToObject(document, "abi", SLUICE_ABI);
		if (abi)
			cJSON_AddNumberToObject(document, "attached_abi", abi);
		else
			cJSON_AddNullToObject(document, "attached_abi");
		return command_print_json(document);
	}
	printf("sluicectl %s, ABI %d", SLUICE_VERSION, SLUICE_ABI);
	if (abi)
		printf(", attached: ABI %u", abi);
	putchar('\n');
	return EXIT_SUCCESS;
}
