/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libcurl is told of a request: each option that decides what goes over the wire and what does
 * not. What http.h promises of that (nothing followed, decoded or proxied; no environment) is kept
 * here. Must not know how an answer is received, nor that there is an event loop.
 */
#ifndef SLUICED_HTTP_OPTIONS_H
#define SLUICED_HTTP_OPTIONS_H

#include <curl/curl.h>

struct http_request;

/*
 * All of the request but its limits on the answer and its callbacks. *headers is the caller's to
 * free, also after an error, and not before the handle. 0, -ENOMEM or -EINVAL (the URL or a file
 * cannot be used).
 */
int http_options_set(CURL *easy, const struct http_request *request, struct curl_slist **headers);

#endif
