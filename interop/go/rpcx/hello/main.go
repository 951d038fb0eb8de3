// Calls greeter/hello of the Motet server at the given address by rpcx.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/smallnest/rpcx/client"
)

type HelloRequest struct {
	Name string `msgpack:"name"`
}

type HelloReply struct {
	Text string `msgpack:"text"`
}

func main() {
	discovery, err := client.NewPeer2PeerDiscovery("tcp@"+os.Args[1], "")
	if err != nil {
		log.Fatal(err)
	}
	greeter := client.NewXClient("Greeter", client.Failtry, client.RandomSelect, discovery, client.DefaultOption)
	defer greeter.Close()
	var reply HelloReply
	if err := greeter.Call(context.Background(), "Hello", &HelloRequest{"rpcx"}, &reply); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Text)
}
