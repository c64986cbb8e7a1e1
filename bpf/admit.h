/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May this client open a connection to this service? Asked for the first SYN only: a flow that
 * exists has been asked. Is the destination ours, is the source's network allowed, is it within its
 * rate.
 */
#ifndef SLUICE_BPF_ADMIT_H
#define SLUICE_BPF_ADMIT_H

#include "flow.h"

/*
 * The address of this host that the last SYN was for. Most SYNs are for one address, so under a
 * flood of them it need not be looked for; it is, once a jiffy, for it may have gone.
 */
struct admit_own {
	__u64 words[2];
	__u32 at; /* jiffies */
	__u8 ip;  /* 4 or 6; 0: none yet */
	__u8 pad[3];
};

static __always_inline bool admit_is_own4(struct admit_own *own, __be32 local, __u32 now)
{
	if (own->ip == 4 && own->at == now && own->words[0] == local)
		return true;
	if (!bpf_map_lookup_elem(&sluice_addrs4, &local))
		return false;
	*own = (struct admit_own){ .words = { local }, .at = now, .ip = 4 };
	return true;
}

static __always_inline bool admit_is_own6(struct admit_own *own, const __be32 *local, __u32 now)
{
	const __u64 high = packet_pair32(local[0], local[1]);
	const __u64 low = packet_pair32(local[2], local[3]);

	if (own->ip == 6 && own->at == now && own->words[0] == high && own->words[1] == low)
		return true;
	if (!bpf_map_lookup_elem(&sluice_addrs6, local))
		return false;
	*own = (struct admit_own){ .words = { high, low }, .at = now, .ip = 6 };
	return true;
}

static __always_inline bool admit_is_local(struct admit_own *own,
					   const struct sluice_service *service,
					   const union flow_key *key, __u32 now, enum family family)
{
	int i;

	if (family == FAMILY_6) /* a service that is confined is confined to IPv4 addresses */
		return !service->address_count && admit_is_own6(own, key->v6.local, now);
	if (!service->address_count)
		return admit_is_own4(own, key->v4.local, now);
	for (i = 0; i < SLUICE_MAX_ADDRESS; i++) {
		if (i < (int)service->address_count && service->address[i] == key->v4.local)
			return true;
	}
	return false;
}

static __always_inline bool admit_is_allowed(__u32 index, const union flow_key *key,
					     enum family family)
{
	if (family == FAMILY_4) {
		struct sluice_allow_key4 allow = {
			.prefix_len = 32 + 32,
			.service = index,
			.network = key->v4.client,
		};

		return bpf_map_lookup_elem(&sluice_allow4, &allow);
	} else {
		struct sluice_allow_key6 allow = { .prefix_len = 32 + 128, .service = index };

		__builtin_memcpy(allow.network, key->v6.client, sizeof(allow.network));
		return bpf_map_lookup_elem(&sluice_allow6, &allow);
	}
}

/* The leading bits of a word in network order. */
static __always_inline __be32 admit_mask(__be32 word, int bits)
{
	if (bits <= 0)
		return 0;
	if (bits >= 32)
		return word;
	return word & bpf_htonl(~0u << (32 - bits));
}

/*
 * Takes one token of the source network's bucket. Two CPUs may take the same one: a limit need not
 * be exact.
 */
static __always_inline bool admit_take_token(const struct sluice_service *service, __u32 index,
					     const union flow_key *key, __u32 now,
					     enum family family)
{
	struct sluice_rate_key rate_key = { .service = index };
	const __u32 full = service->rate * sluice_hz;
	struct sluice_rate *rate, fresh;
	__u64 tokens;
	int i;

	if (family == FAMILY_4) {
		rate_key.network[0] = admit_mask(key->v4.client, service->rate_prefix4);
	} else {
		for (i = 0; i < 4; i++)
			rate_key.network[i] =
				admit_mask(key->v6.client[i], service->rate_prefix6 - 32 * i);
	}
	rate = bpf_map_lookup_elem(&sluice_rates, &rate_key);
	if (!rate) {
		fresh.filled = now;
		fresh.tokens = full - sluice_hz;
		bpf_map_update_elem(&sluice_rates, &rate_key, &fresh, BPF_NOEXIST);
		return true;
	}
	tokens = rate->tokens + (__u64)sluice_age(now, rate->filled) * service->rate;
	if (tokens > full)
		tokens = full;
	rate->filled = now;
	if (tokens < sluice_hz) {
		rate->tokens = tokens;
		return false;
	}
	rate->tokens = tokens - sluice_hz;
	return true;
}

/* Is the service on its way back to the host's own listener? Then that one takes whoever comes new. */
static __always_inline bool admit_is_leaving(__u32 index)
{
	const struct sluice_service *service = bpf_map_lookup_elem(&sluice_services, &index);

	return service && (service->flags & SLUICE_SERVICE_LEAVING);
}

/* SLUICE_REASON_NONE, or why not. */
static __always_inline enum sluice_reason
admit(struct admit_own *own, __u32 index, const union flow_key *key, __u32 now, enum family family)
{
	const struct sluice_service *service = bpf_map_lookup_elem(&sluice_services, &index);

	if (!service || !admit_is_local(own, service, key, now, family))
		return SLUICE_REASON_NOT_LOCAL;
	if (service->flags & SLUICE_SERVICE_LEAVING)
		return SLUICE_REASON_LEAVING;
	if ((service->flags & SLUICE_SERVICE_RESTRICTED) && !admit_is_allowed(index, key, family))
		return SLUICE_REASON_DENIED;
	return SLUICE_REASON_NONE;
}

/*
 * To be asked when a backend is found: a SYN that nobody can serve is no connection, and XDP leaves
 * its answer to tc, which would take a second token.
 */
static __always_inline bool admit_within_rate(__u32 index, const union flow_key *key, __u32 now,
					      enum family family)
{
	const struct sluice_service *service = bpf_map_lookup_elem(&sluice_services, &index);

	return !service || !service->rate || admit_take_token(service, index, key, now, family);
}

#endif
