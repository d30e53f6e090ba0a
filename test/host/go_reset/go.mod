module keepwarm/go_reset

go 1.18
