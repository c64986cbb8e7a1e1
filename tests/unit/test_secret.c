/* SPDX-License-Identifier: GPL-2.0-only */
/* What is secret in a request is found in any form in which it may come back, and nothing else is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "secret.h"

static void hidden(const struct http_request *request, const char *body, const char *expected)
{
	struct secrets secrets;
	char text[256];

	assert_int_equal(secrets_of(request, &secrets), 0);
	memcpy(text, body, strlen(body) + 1);
	secrets_hide(&secrets, text, strlen(text));
	assert_string_equal(text, expected);
	secrets_release(&secrets);
}

static void secrets_are_hidden(void **state)
{
	/* base64 of admin:sesame, admin:sesam and adm:sesame end in no, one and two signs of equality */
	const struct http_request users[] = { { .user = "admin:sesame" },
					      { .user = "admin:sesam!" },
					      { .user = "adm:sesame" },
					      { .user = "adm:sesam" } };
	const struct http_request token = { .headers = { "Accept: x", "X-Consul-Token: abcd-ef" } };
	const struct http_request shorty = { .user = "a:b" }, nothing = { 0 };

	(void)state;
	hidden(&users[0], "no sesame, sesame", "no ******, ******");
	hidden(&users[0], "Basic YWRtaW46c2VzYW1l!", "Basic ****************!");
	hidden(&users[2], "Basic YWRtOnNlc2FtZQ==.", "Basic ****************.");
	hidden(&users[3], "Basic YWRtOnNlc2Ft.", "Basic ************.");
	hidden(&users[1], "sesam! sesam", "****** sesam");
	hidden(&token, "abcd-efabcd-ef x", "************** x");
	hidden(&token, "", "");
	hidden(&shorty, "a b c", "a b c");
	hidden(&nothing, "plain", "plain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
