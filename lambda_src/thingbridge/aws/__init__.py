"""The only code that speaks to AWS: small adapters over boto3, one class per kind of resource.

The functions, the command line, the local environment and the end-to-end tests use the same adapters. An adapter
decides nothing: it makes a call, translates the errors (`errors.translate_errors`) and returns plain values.
"""
