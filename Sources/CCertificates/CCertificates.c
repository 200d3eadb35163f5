#include "CCertificates.h"
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

static int add_extension(X509 *certificate, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    int done = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

/// 20 random bytes, of which the first bit is 0.
static int set_serial_number(X509 *certificate) {
    BIGNUM *number = BN_new();
    int done = number && BN_rand(number, 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
               BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return done;
}

static int fill(X509 *certificate, EVP_PKEY *key, const char *name, const char *alternative_names, long grace, long validity) {
    X509_NAME *subject = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) && set_serial_number(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -grace) && X509_gmtime_adj(X509_getm_notAfter(certificate), validity) &&
           X509_set_pubkey(certificate, key) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
           X509_set_issuer_name(certificate, subject) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, NID_subject_alt_name, alternative_names) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

/// Copies what was written to memory, and a 0.
static int copy(BIO *memory, char *text, size_t size) {
    char *bytes = NULL;
    long count = BIO_get_mem_data(memory, &bytes);
    if (count < 0 || (size_t)count >= size) return 0;
    memcpy(text, bytes, (size_t)count);
    text[count] = 0;
    return 1;
}

int make_server_certificate(
    const char *name, const char *alternative_names, long grace, long validity, char *certificate, size_t certificate_size, char *key,
    size_t key_size) {
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    BIO *certificate_text = BIO_new(BIO_s_mem()), *key_text = BIO_new(BIO_s_mem());
    int done = pair && made && certificate_text && key_text && fill(made, pair, name, alternative_names, grace, validity) &&
               PEM_write_bio_X509(certificate_text, made) && PEM_write_bio_PrivateKey(key_text, pair, NULL, NULL, 0, NULL, NULL) &&
               copy(certificate_text, certificate, certificate_size) && copy(key_text, key, key_size);
    BIO_free(certificate_text);
    BIO_free(key_text);
    X509_free(made);
    EVP_PKEY_free(pair);
    return done;
}
