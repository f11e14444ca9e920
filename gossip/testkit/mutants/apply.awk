# Applies one mutant: awk -v root=DIR -f apply.awk FILE.mutant
#
# A mutant file has a comment that says which bug it plants, the file it changes, and the old and
# the new text. The old text must occur exactly once; anything else is an error.

function fail(what) {
    print FILENAME ": " what > "/dev/stderr"
    failed = 1
    exit 1
}

/^#/ && part == "" { next }
/^--- found by: / && part == "" { next }
/^--- file: / && part == "" { target = root "/" substr($0, 11); next }
/^--- old$/ { part = "old"; next }
/^--- new$/ { part = "new"; next }
/^--- end$/ { part = "end"; next }
part == "old" { old = old $0 "\n"; next }
part == "new" { new = new $0 "\n"; next }

END {
    if (failed) exit 1
    if (target == "" || old == "" || part != "end") fail("not a mutant file")
    while ((status = (getline line < target)) > 0) text = text line "\n"
    if (status < 0) fail("cannot read " target)
    close(target)
    at = index(text, old)
    if (at == 0) fail("the old text does not occur in " target)
    rest = substr(text, at + length(old))
    if (index(substr(text, at + 1), old) > 0) fail("the old text occurs more than once in " target)
    printf "%s%s%s", substr(text, 1, at - 1), new, rest > target
}
