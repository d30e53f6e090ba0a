// Gives the heap back again and again, as Go's scavenger does it, and checks that what is allocated anew is zero.
package main

/*
#include <stdlib.h>
static int answer(void) { return 42; }
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"sync"
)

func fill(size int, value byte) bool {
	bytes := make([]byte, size)
	for i := 0; i < size; i += 256 {
		if bytes[i] != 0 {
			return false
		}
		bytes[i] = value
	}
	return true
}

func main() {
	var group sync.WaitGroup
	good := C.answer() == 42
	for round := 0; round < 40; round++ {
		for worker := 0; worker < 4; worker++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := 0; i < 16; i++ {
					if !fill(64<<10<<(i%5), byte(round+1)) {
						good = false
					}
				}
			}()
		}
		group.Wait()
		debug.FreeOSMemory()
	}
	status := 0
	if good {
		fmt.Println("fresh")
	} else {
		fmt.Println("memory was not fresh")
		status = 1
	}
	C.exit(C.int(status)) // Go's own exit runs no destructors: keepwarm's statistics would not be written
}
