"""Identity: a service account's token and a CSR come in, a short-lived leaf goes out."""
