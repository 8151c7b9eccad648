#!/bin/sh
exec /usr/lib/barnabas/start bitnami "$@"
