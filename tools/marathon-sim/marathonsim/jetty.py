# SPDX-License-Identifier: GPL-2.0-only
"""The pages and headers that Marathon's Jetty writes around the API."""

import html
import http

NO_STORE = [("Cache-Control", "no-cache, no-store, must-revalidate"),
            ("Pragma", "no-cache"),
            ("Expires", "0")]

_PAGE = """<html>
<head>
<meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>
<title>Error {status} {message}</title>
</head>
<body><h2>HTTP ERROR {status} {message}</h2>
<table>
<tr><th>URI:</th><td>{uri}</td></tr>
<tr><th>STATUS:</th><td>{status}</td></tr>
<tr><th>MESSAGE:</th><td>{message}</td></tr>
<tr><th>SERVLET:</th><td>{servlet}</td></tr>
</table>

</body>
</html>
"""


def reason(status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def page(status, message, uri, servlet="org.eclipse.jetty.servlet.ServletHandler$Default404Servlet"):
    """(headers, body) of an error page."""
    body = _PAGE.format(status=status, message=html.escape(message, False),
                        uri=html.escape(uri.partition("?")[0], False),
                        servlet=servlet).encode("latin-1", "replace")
    return [("Cache-Control", "must-revalidate,no-cache,no-store"),
            ("Content-Type", "text/html;charset=iso-8859-1")], body
