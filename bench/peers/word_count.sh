#!/bin/bash
# The job of config/word_count.json with GNU parallel and coreutils.
set -euo pipefail
export LC_ALL=C
files=$(find -L /usr/share/common-licenses /usr/include -type f)
xargs -d '\n' cat <<< "$files" | wc
parallel --pipe -N200 "xargs -d '\\n' cat | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | sort | uniq -c" \
  <<< "$files" | awk '{ n[$2] += $1 } END { for (w in n) print n[w], w }' | sort -rn | head -10
