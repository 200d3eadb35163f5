#pragma once
#include <stddef.h>

/// Makes a P-256 key and a certificate that it signs itself, for TLS servers and at the same time an authority, so that it can be trusted by
/// itself. Both are written as PEM, with a 0 at the end.  https://www.rfc-editor.org/rfc/rfc5280
/// @param name              the common name of subject and issuer
/// @param alternative_names as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1"
/// @param grace             seconds before now from which it is valid
/// @param validity          seconds from now until which it is valid
/// @return 1, or 0 where anything fails or a text does not fit.
int make_server_certificate(
    const char *name, const char *alternative_names, long grace, long validity, char *certificate, size_t certificate_size, char *key,
    size_t key_size);
