/* SPDX-License-Identifier: GPL-2.0-only */
/* See http_options.h. */
#include "http_options.h"

#include <errno.h>
#include <string.h>

#include "http.h"

static int add_headers(CURL *easy, const struct http_request *request, struct curl_slist **headers)
{
	/* libcurl would wait a second for "100 Continue" before a larger body */
	static const char no_expect[] = "Expect:";
	struct curl_slist *longer = curl_slist_append(NULL, no_expect);

	if (!longer)
		return -ENOMEM;
	*headers = longer;
	for (int i = 0; i < HTTP_MAX_HEADERS && request->headers[i]; i++) {
		longer = curl_slist_append(*headers, request->headers[i]);
		if (!longer)
			return -ENOMEM;
		*headers = longer;
	}
	return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers) ? -ENOMEM : 0;
}

static CURLcode set_transport(CURL *easy, const struct http_request *request)
{
	CURLcode code = CURLE_OK;

#define SET(option, value)                                            \
	do {                                                          \
		if (!code)                                            \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* else the end of a call joins its resolver's thread: half a minute without a nameserver */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/*
	 * Consul would take HTTP/2 if it were offered, and one connection for all blocking queries
	 * with it
	 */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "sluiced");
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)request->total_ms);
	if (request->unix_socket)
		SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->ca_file)
		SET(CURLOPT_CAINFO, request->ca_file);
	if (request->user) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERPWD, request->user);
	}
	if (strcmp(request->method, "GET") != 0) {
		SET(CURLOPT_COPYPOSTFIELDS, request->body ? request->body : "");
		SET(CURLOPT_CUSTOMREQUEST, request->method);
	}
#undef SET
	return code;
}

int http_options_set(CURL *easy, const struct http_request *request, struct curl_slist **headers)
{
	CURLcode code;
	int err;

	err = add_headers(easy, request, headers);
	if (err)
		return err;
	code = set_transport(easy, request);
	if (code)
		return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	return 0;
}
