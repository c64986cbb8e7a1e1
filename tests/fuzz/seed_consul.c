/* SPDX-License-Identifier: GPL-2.0-only */
/* seed_consul DIRECTORY: the recorded answers of an agent, services and checks of each node together, as inputs of the target consul. */
#include <stdio.h>
#include <stdlib.h>

#include "must.h"
#include "payload.h"

static const char *const pairs[][2] = {
	{ "consul/103-catalog-node.http", "consul/100-health-node.http" },
	{ "consul/104-catalog-node-blocking-register.http",
	  "consul/102-health-node-blocking-service-nocheck-registered.http" },
	{ "consul/103-catalog-node.http", "consul/101-health-node-blocking-check-flip.http" },
	{ "consul/110-catalog-node-unknown.http", "consul/109-health-node-unknown.http" },
};

static void write_seed(const char *directory, size_t number, const char *one, size_t one_len,
		       const char *other, size_t other_len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/recorded-%zu", directory, number);
	file = fopen(path, "wb");
	must(file);
	must(fwrite(one, 1, one_len, file) == one_len);
	must(fputc(0x1e, file) != EOF);
	must(fwrite(other, 1, other_len, file) == other_len);
	must(!fclose(file));
}

int main(int argc, char **argv)
{
	const size_t count = sizeof(pairs) / sizeof(pairs[0]);
	size_t one_len, other_len;
	char *one, *other;

	if (argc != 2) {
		fputs("usage: seed_consul DIRECTORY\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < count; i++) {
		one = payload_http(pairs[i][0], &one_len);
		other = payload_http(pairs[i][1], &other_len);
		write_seed(argv[1], i, one, one_len, other, other_len);
		free(one);
		free(other);
	}
	one = payload_file("consul/agent-self.json", &one_len);
	write_seed(argv[1], count, one, one_len, "[]", 2);
	free(one);
	return EXIT_SUCCESS;
}
