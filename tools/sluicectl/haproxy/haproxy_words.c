/* SPDX-License-Identifier: GPL-2.0-only */
/* Among entries that fit, the one with the most words counts. */
#include "haproxy_words.h"

#include <string.h>

#define NO HAPROXY_NOT_NEEDED
#define YES HAPROXY_TRANSLATED
#define APP HAPROXY_APP
#define STOP HAPROXY_BLOCKS

#define HEADERS "headers are not seen: the app, or the ELB, must set and read them"
#define ACCESS_LOG "there is no log of requests: the app or the ELB writes it"
#define CHECKS "Consul's checks and Marathon's health checks decide: the app must have one of them"
#define SLOW_CLIENTS \
	"no connection is ended for being slow: the app's server needs this time-out itself"
#define WAITING "nobody waits in a queue: on_full says what a full service does"
#define PAGES "no page is made: the ELB answers 503 itself; on_empty = reset tells it at once"
#define TLS "TLS must end at the ELB or in the app"
#define CONTENT "chooses by what a request says, which only a proxy reads"
#define STICKY "keeps clients by what HAProxy remembers; balance = source keeps them by address"
#define OWN "a setting of HAProxy's own process"

static const struct haproxy_word words[] = {
	{ "mode http", YES, "connections are balanced, whatever they carry" },
	{ "mode tcp", YES, "connections are balanced, whatever they carry" },
	{ "option redispatch", YES, "always: a SYN that is turned away goes to another backend" },
	{ "retries", YES, "always: twice, and what stays silent for 800 ms is passed over" },
	{ "redispatch", YES, "always: a SYN that is turned away goes to another backend" },
	{ "description", NO, "a comment" },
	{ "id", NO, "a number for HAProxy's statistics" },
	{ "enabled", NO, "it is the default" },
	{ "disabled", NO, "it was switched off" },
	{ "no", NO, "it was switched off" },
	{ "maxconn", NO, "limits HAProxy's own sockets; the kernel's path has none" },
	{ "fullconn", NO, WAITING },
	{ "backlog", NO, "the app's own accept queue holds new connections" },
	{ "rate-limit", APP,
	  "`rate` limits new connections, of each source network, not of all: set it by hand" },
	{ "log", APP, ACCESS_LOG },
	{ "log-format", APP, ACCESS_LOG },
	{ "log-tag", APP, ACCESS_LOG },
	{ "option httplog", APP, ACCESS_LOG },
	{ "option tcplog", APP, ACCESS_LOG },
	{ "option logasap", APP, ACCESS_LOG },
	{ "option dontlognull", NO, "there is no log of requests" },
	{ "option dontlog-normal", NO, "there is no log of requests" },
	{ "option log-health-checks", NO, "sluiced logs each change of a backend" },
	{ "capture", APP, ACCESS_LOG },
	{ "unique-id-format", APP, HEADERS },
	{ "unique-id-header", APP, HEADERS },
	{ "option forwardfor", APP,
	  "addresses are not changed: the app sees its client, the ELB, and the ELB sets X-Forwarded-For" },
	{ "option originalto", APP, HEADERS },
	{ "option httpchk", NO, CHECKS },
	{ "option tcp-check", NO, CHECKS },
	{ "option ssl-hello-chk", NO, CHECKS },
	{ "option mysql-check", NO, CHECKS },
	{ "option pgsql-check", NO, CHECKS },
	{ "option redis-check", NO, CHECKS },
	{ "option smtpchk", NO, CHECKS },
	{ "option external-check", NO, CHECKS },
	{ "option allbackups", STOP, "backup servers: Sluice has none" },
	{ "http-check", NO, CHECKS },
	{ "tcp-check", NO, CHECKS },
	{ "external-check", NO, CHECKS },
	{ "monitor-uri", APP,
	  "the ELB's health check reaches the app: give it a path that the app answers" },
	{ "monitor", APP,
	  "the ELB's health check reaches the app: give it a path that the app answers" },
	{ "option httpclose", NO,
	  "a connection stays with its container for as long as the two keep it" },
	{ "option forceclose", NO,
	  "a connection stays with its container for as long as the two keep it" },
	{ "option http-server-close", NO,
	  "connections are balanced, not requests: balance = leastconn suits kept ones best" },
	{ "option http-keep-alive", NO,
	  "connections are balanced, not requests: balance = leastconn suits kept ones best" },
	{ "option http-pretend-keepalive", NO, "HTTP is not touched" },
	{ "option http-tunnel", NO, "HTTP is not touched" },
	{ "option http-buffer-request", APP,
	  "nothing is held back: the app's server must read slow requests" },
	{ "option http-use-htx", NO, "HTTP is not touched" },
	{ "option accept-invalid-http-request", NO, "HTTP is not touched" },
	{ "option accept-invalid-http-response", NO, "HTTP is not touched" },
	{ "option http-ignore-probes", NO, "HTTP is not touched" },
	{ "option http_proxy", STOP, "a forward proxy" },
	{ "option transparent", STOP, "a forward proxy" },
	{ "option prefer-last-server", NO, "a connection stays with its container" },
	{ "option persist", STOP, STICKY },
	{ "option", NO, "a detail of how HAProxy handles its own connections" },
	{ "http-reuse", NO, "a client's connection is the container's: there is no pool" },
	{ "timeout client", APP, SLOW_CLIENTS },
	{ "timeout server", APP, SLOW_CLIENTS },
	{ "timeout client-fin", APP, SLOW_CLIENTS },
	{ "timeout server-fin", APP, SLOW_CLIENTS },
	{ "timeout http-request", APP, SLOW_CLIENTS },
	{ "timeout http-keep-alive", APP, SLOW_CLIENTS },
	{ "timeout tunnel", APP, SLOW_CLIENTS },
	{ "timeout connect", NO,
	  "fixed: a backend that leaves a SYN unanswered for 800 ms is passed over" },
	{ "timeout check", NO, CHECKS },
	{ "timeout queue", NO, WAITING },
	{ "timeout tarpit", NO, "nobody is held" },
	{ "clitimeout", APP, SLOW_CLIENTS },
	{ "srvtimeout", APP, SLOW_CLIENTS },
	{ "contimeout", NO,
	  "fixed: a backend that leaves a SYN unanswered for 800 ms is passed over" },
	{ "errorfile", APP, PAGES },
	{ "errorloc", APP, PAGES },
	{ "errorloc302", APP, PAGES },
	{ "errorloc303", APP, PAGES },
	{ "errorfiles", APP, PAGES },
	{ "http-error", APP, PAGES },
	{ "stats", NO, "sluicectl and /metrics tell it" },
	{ "cookie", STOP,
	  "a session cookie ties a client to a server: the app must keep sessions elsewhere" },
	{ "appsession", STOP,
	  "a session cookie ties a client to a server: the app must keep sessions elsewhere" },
	{ "dynamic-cookie-key", STOP,
	  "a session cookie ties a client to a server: the app must keep sessions elsewhere" },
	{ "stick-table", STOP, STICKY },
	{ "stick", STOP, STICKY },
	{ "hash-type", NO, "balance = source is consistent always" },
	{ "hash-balance-factor", NO, "balance = source takes no notice of load" },
	{ "use-server", STOP, CONTENT },
	{ "force-persist", STOP, STICKY },
	{ "ignore-persist", STOP, STICKY },
	{ "compression", APP, "bytes are not changed: the app must compress" },
	{ "filter", STOP, "works on what a connection carries" },
	{ "http-request deny", APP, "requests are not read: the app must refuse them" },
	{ "http-request tarpit", APP, "requests are not read: the app must refuse them" },
	{ "http-request reject", APP, "requests are not read: the app must refuse them" },
	{ "http-request auth", APP, "requests are not read: the app must ask for passwords" },
	{ "http-request redirect", APP, "the app, or a listener rule of an ALB, must redirect" },
	{ "http-request return", APP, "the app must answer it" },
	{ "http-request", APP, HEADERS },
	{ "http-request set-path", APP,
	  "requests are not changed: the app must serve the path that clients ask for" },
	{ "http-request replace-path", APP,
	  "requests are not changed: the app must serve the path that clients ask for" },
	{ "http-request set-uri", APP,
	  "requests are not changed: the app must serve the path that clients ask for" },
	{ "http-request replace-uri", APP,
	  "requests are not changed: the app must serve the path that clients ask for" },
	{ "http-request lua", STOP, "runs a program in the proxy" },
	{ "http-request use-service", STOP, "runs a program in the proxy" },
	{ "http-request cache-use", APP, "nothing is kept: a cache must stand elsewhere" },
	{ "http-response", APP, HEADERS },
	{ "http-after-response", APP, HEADERS },
	{ "http-send-name-header", APP, HEADERS },
	{ "reqadd", APP, HEADERS },
	{ "reqdel", APP, HEADERS },
	{ "reqidel", APP, HEADERS },
	{ "reqset", APP, HEADERS },
	{ "reqrep", APP, "requests are not changed: the app must serve what clients ask for" },
	{ "reqirep", APP, "requests are not changed: the app must serve what clients ask for" },
	{ "reqdeny", APP, "requests are not read: the app must refuse them" },
	{ "reqideny", APP, "requests are not read: the app must refuse them" },
	{ "rspadd", APP, HEADERS },
	{ "rspdel", APP, HEADERS },
	{ "rspidel", APP, HEADERS },
	{ "rsprep", APP, HEADERS },
	{ "rspirep", APP, HEADERS },
	{ "block", APP, "requests are not read: the app must refuse them" },
	{ "redirect", APP, "the app, or a listener rule of an ALB, must redirect" },
	{ "tcp-request connection track-sc0", STOP,
	  "counts by client; `rate` limits new connections of a network: set it by hand" },
	{ "tcp-request connection track-sc1", STOP,
	  "counts by client; `rate` limits new connections of a network: set it by hand" },
	{ "tcp-request connection reject", STOP,
	  "`allow` and `rate` judge new connections by source network: set them by hand" },
	{ "tcp-request connection accept", STOP,
	  "`allow` and `rate` judge new connections by source network: set them by hand" },
	{ "tcp-request inspect-delay", STOP, CONTENT },
	{ "tcp-request", STOP, CONTENT },
	{ "tcp-response", STOP, CONTENT },
	{ "dispatch", STOP, "one fixed address is no set of backends" },
	{ "source", NO, "addresses are not changed: the app sees its client" },
	{ "bind-process", NO, OWN },
	{ "grace", NO, "lame duck of the app and Marathon's kill grace period do it" },
	{ "email-alert", NO, "deploy/prometheus has alerts" },
	{ "load-server-state-from-file", NO, "what the operator said lies in a pinned map" },
	{ "server-state-file-name", NO, "what the operator said lies in a pinned map" },
	{ "declare", NO, "counts nothing by itself" },
};

#undef OWN

static const struct haproxy_word unknown = { "", STOP, "not known here: look at it yourself" };
static const struct haproxy_word own = { "", NO, "a setting of HAProxy's own process" };
static const struct haproxy_word lua = { "", STOP, "runs a program in the proxy" };
static const struct haproxy_word global_log = { "", APP, ACCESS_LOG };

const struct haproxy_word *haproxy_words_find(const struct haproxy_line *line,
					      enum haproxy_kind kind)
{
	const struct haproxy_word *best = &unknown;
	unsigned most = 0;

	if (kind == HAPROXY_GLOBAL) {
		if (!strncmp(line->word[0], "lua", 3))
			return &lua;
		return strcmp(line->word[0], "log") != 0 ? &own : &global_log;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		unsigned count = haproxy_line_begins(line, words[i].words);

		if (count > most) {
			best = &words[i];
			most = count;
		}
	}
	return best;
}

const struct haproxy_word *haproxy_words_section(const struct haproxy_line *header)
{
	static const struct haproxy_word sections[] = {
		{ "userlist", APP, "requests are not read: the app must ask for passwords" },
		{ "peers", NO, "there are no stick tables to exchange" },
		{ "resolvers", NO, "backends come from Marathon and Consul, not from DNS" },
		{ "mailers", NO, "deploy/prometheus has alerts" },
		{ "ring", NO, "there is no log of requests" },
		{ "log-forward", STOP,
		  "a forwarder of logs: keep HAProxy, or another one, for it" },
		{ "http-errors", APP, PAGES },
		{ "cache", APP, "nothing is kept: a cache must stand elsewhere" },
		{ "program", APP, "a program that HAProxy started: start it otherwise" },
		{ "crt-store", STOP, TLS },
		{ "fcgi-app", STOP, "FastCGI: the app must speak to its clients itself" },
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (!strcmp(sections[i].words, header->word[0]))
			return &sections[i];
	return &unknown;
}

/* --- options --- */

#define TLS_TO_APP "HAProxy speaks TLS to the app, and clients do not: they would have to"
#define CHECK_OPTION "checks are Consul's and Marathon's"

static const struct haproxy_option server_options[] = {
	{ "check", 0, NO, CHECK_OPTION },
	{ "inter", 1, NO, CHECK_OPTION },
	{ "fastinter", 1, NO, CHECK_OPTION },
	{ "downinter", 1, NO, CHECK_OPTION },
	{ "rise", 1, NO, CHECK_OPTION },
	{ "fall", 1, NO, CHECK_OPTION },
	{ "port", 1, NO, CHECK_OPTION },
	{ "addr", 1, NO, CHECK_OPTION },
	{ "observe", 1, NO, CHECK_OPTION },
	{ "error-limit", 1, NO, CHECK_OPTION },
	{ "on-error", 1, NO, CHECK_OPTION },
	{ "on-marked-up", 1, NO, CHECK_OPTION },
	{ "on-marked-down", 1, NO, "connections of a backend that is down live on" },
	{ "track", 1, NO, CHECK_OPTION },
	{ "agent-check", 0, NO, CHECK_OPTION },
	{ "agent-port", 1, NO, CHECK_OPTION },
	{ "agent-inter", 1, NO, CHECK_OPTION },
	{ "check-ssl", 0, NO, CHECK_OPTION },
	{ "check-send-proxy", 0, NO, CHECK_OPTION },
	{ "id", 1, NO, NULL },
	{ "enabled", 0, NO, NULL },
	{ "init-addr", 1, NO, NULL },
	{ "resolvers", 1, NO, NULL },
	{ "resolve-prefer", 1, NO, NULL },
	{ "resolve-opts", 1, NO, NULL },
	{ "source", 1, NO, NULL },
	{ "tfo", 0, NO, NULL },
	{ "minconn", 1, NO, WAITING },
	{ "maxqueue", 1, NO, WAITING },
	{ "weight", 1, YES, "its weight is set by `sluicectl weight`" },
	{ "maxconn", 1, YES, "maxconn of the service" },
	{ "slowstart", 1, YES, "slowstart of the service" },
	{ "disabled", 0, YES, "taken out by `sluicectl drain`" },
	{ "send-proxy", 0, APP,
	  "the app gets no PROXY header, and needs none: addresses are not changed" },
	{ "send-proxy-v2", 0, APP,
	  "the app gets no PROXY header, and needs none: addresses are not changed" },
	{ "redir", 1, APP, "the app, or a listener rule of an ALB, must redirect" },
	{ "backup", 0, STOP, "a backup server: Sluice has none" },
	{ "non-stick", 0, STOP, STICKY },
	{ "cookie", 1, STOP, "a session cookie ties clients to it" },
	{ "ssl", 0, STOP, TLS_TO_APP },
	{ "verify", 1, STOP, TLS_TO_APP },
	{ "ca-file", 1, STOP, TLS_TO_APP },
	{ "crt", 1, STOP, TLS_TO_APP },
	{ "sni", 1, STOP, TLS_TO_APP },
	{ "alpn", 1, STOP, TLS_TO_APP },
	{ "proto", 1, STOP, "HAProxy speaks another protocol to the app than clients do" },
};

static const struct haproxy_option bind_options[] = {
	{ "name", 1, NO, NULL },
	{ "id", 1, NO, NULL },
	{ "backlog", 1, NO, NULL },
	{ "maxconn", 1, NO, NULL },
	{ "mss", 1, NO, NULL },
	{ "process", 1, NO, NULL },
	{ "thread", 1, NO, NULL },
	{ "nice", 1, NO, NULL },
	{ "tcp-ut", 1, NO, NULL },
	{ "v4v6", 0, NO, NULL },
	{ "v6only", 0, NO, NULL },
	{ "tfo", 0, NO, NULL },
	{ "defer-accept", 0, NO, NULL },
	{ "mode", 1, NO, NULL },
	{ "user", 1, NO, NULL },
	{ "group", 1, NO, NULL },
	{ "uid", 1, NO, NULL },
	{ "gid", 1, NO, NULL },
	{ "level", 1, NO, NULL },
	{ "interface", 1, NO, "[node] interface names the interfaces" },
	{ "transparent", 0, STOP, "takes connections for foreign addresses" },
	{ "accept-proxy", 0, APP, "the ELB's PROXY header reaches the app: switch it off there" },
	{ "ssl", 0, STOP, TLS },
	{ "crt", 1, STOP, TLS },
	{ "crt-list", 1, STOP, TLS },
	{ "ca-file", 1, STOP, TLS },
	{ "verify", 1, STOP, TLS },
	{ "ciphers", 1, STOP, TLS },
	{ "alpn", 1, STOP, TLS },
	{ "npn", 1, STOP, TLS },
	{ "strict-sni", 0, STOP, TLS },
	{ "ssl-min-ver", 1, STOP, TLS },
	{ "no-sslv3", 0, STOP, TLS },
	{ "no-tlsv10", 0, STOP, TLS },
	{ "no-tlsv11", 0, STOP, TLS },
	{ "no-tls-tickets", 0, STOP, TLS },
	{ "proto", 1, STOP, CONTENT },
};

static const struct haproxy_option *find(const struct haproxy_option *list, size_t count,
					 const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].word, word))
			return &list[i];
	return NULL;
}

const struct haproxy_option *haproxy_words_server(const char *word)
{
	return find(server_options, sizeof(server_options) / sizeof(server_options[0]), word);
}

const struct haproxy_option *haproxy_words_bind(const char *word)
{
	return find(bind_options, sizeof(bind_options) / sizeof(bind_options[0]), word);
}
