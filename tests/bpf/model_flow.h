/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model's backends and flows: who is picked, and a flow's life. Only for model*.c.
 */
#ifndef TESTS_MODEL_FLOW_H
#define TESTS_MODEL_FLOW_H

#include "model.h"

enum model_pick {
	MODEL_PICK_OK,
	MODEL_PICK_UNSYNCED,
	MODEL_PICK_EMPTY,
	MODEL_PICK_FULL,
	MODEL_PICK_TORN,
	MODEL_PICK_NO_ROOM, /* for the flow; it is gone */
};

/* May the flow stand in that table? Then it is taken for put there. */
bool model_has_room(struct model *model, const struct model_flow *flow, bool established);

/* Host-ports that a packet may be sent to. */
enum { MODEL_PORT_MIN = 31000, MODEL_PORT_MAX = 32000 };

/*
 * Somebody for a new connection, but not `exclude`, and if trusted no suspect; seen is taken if
 * that is allowed.
 */
enum model_pick model_pick(struct model *model, unsigned service, unsigned exclude, bool trusted,
			   unsigned seen, unsigned *slot);

/* NULL if the flow's generation is retired. */
struct model_backend *model_backend_of(struct model *model, const struct model_flow *flow);
bool model_is_closed(const struct model *model, const struct model_flow *flow);
/* Quiet for longer than its state allows. */
bool model_is_expired(const struct model *model, const struct model_flow *flow);
/* What is over and expired is gone for every packet; NULL then. flow may be NULL. */
struct model_flow *model_forget(struct model *model, struct model_flow *flow);

struct model_flow *model_new_flow(struct model *model, const struct frame *syn);
void model_begin(struct model *model, struct model_flow *flow, unsigned slot, uint32_t isn,
		 uint16_t payload);
void model_remove(struct model *model, struct model_flow *flow);
/* Why a SYN goes to another backend. Who was silent or has refused is a suspect. */
enum model_cause { MODEL_SILENT, MODEL_REFUSED, MODEL_TAKEN };

/* Others go before it from now on, for SLUICE_SUSPECT_MS and until it answers. */
void model_suspect(struct model *model, unsigned slot);

enum model_pick model_move(struct model *model, struct model_flow *flow, enum model_cause cause,
			   unsigned seen);
/* The newest SYN that met a connection of these addresses and ports is kept beside the flow. */
void model_keep_newer(struct model *model, const struct frame *syn);
/* Is its client to be asked about it? It has been, then. */
bool model_asks(struct model *model, const struct model_flow *flow);
const struct frame *model_newer(struct model *model, const struct model_flow *flow);
/* That SYN opens a flow with another backend, in place of the one that stands there. */
enum model_pick model_move_newer(struct model *model, struct model_flow *flow, unsigned seen);
/* The handshake is done. */
void model_complete(struct model *model, struct model_flow *flow);
/* To the table where it belongs. */
void model_settle(struct model *model, struct model_flow *flow);
/* A SYN-ACK for the client's newer SYN. */
void model_reopen(struct model *model, struct model_flow *flow, const struct frame *packet);

/* Segments of an established or ended flow, and of a half-open one. */
void model_hear_client(struct model *model, struct model_flow *flow, const struct frame *packet);
void model_hear_backend(struct model *model, struct model_flow *flow, const struct frame *packet);
void model_hear_half_open(struct model *model, struct model_flow *flow, const struct frame *packet);

#endif
