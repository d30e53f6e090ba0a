# scan/reset.c: of a scan for what is not dirty, pages that only the kernel may touch are passed over
s/if (!error && run->categories && !(run->categories & scan->clean))/if (false)/
