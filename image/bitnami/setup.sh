#!/bin/sh
# Bitnami's image prepares its configuration here. The broker reads it when it starts.
