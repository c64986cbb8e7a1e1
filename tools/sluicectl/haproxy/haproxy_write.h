/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What haproxy_import.h found, as a file for people: the verdicts as comments, worst first, and below them the sections of a
 * sluice.conf, which is valid whatever was read.
 */
#ifndef SLUICE_HAPROXY_WRITE_H
#define SLUICE_HAPROXY_WRITE_H

#include <stdio.h>

#include "haproxy_words.h"

struct haproxy_import;

/* name is that of the haproxy.cfg. Errors stay in the stream. */
void haproxy_write(const struct haproxy_import *import, const char *name, FILE *to);

/* The sections alone. */
void haproxy_write_sections(const struct haproxy_import *import, FILE *to);

#endif
