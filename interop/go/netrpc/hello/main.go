// Calls greeter/hello of the Motet server at the given address by net/rpc.
package main

import (
	"fmt"
	"log"
	"net/rpc"
	"os"
)

func main() {
	client, err := rpc.Dial("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var reply struct{ Text string }
	if err := client.Call("Greeter.Hello", struct{ Name string }{"net/rpc"}, &reply); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Text)
}
