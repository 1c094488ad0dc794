// Command worker sends the messages of its standard input, a line each: id, account, number and text, with tabs between
// them. The server is at CREDITGATE_TARGET, else at 127.0.0.1:50051.
package main

//go:generate buf generate ../../../proto

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	creditgate "example.com/creditgate/worker/gen/creditgate/v1"
)

func main() {
	log.SetFlags(0)
	conn, err := Dial(cmp.Or(os.Getenv("CREDITGATE_TARGET"), "127.0.0.1:50051"))
	if err != nil {
		log.Fatal(err)
	}
	worker := Worker{Gate: creditgate.NewAuthorizationServiceClient(conn), Send: send}

	failed := false
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), "\t", 4)
		if len(fields) < 4 {
			log.Fatalf("not id, account, number and text: %q", lines.Text())
		}
		message := Message{ID: fields[0], Account: fields[1], Number: fields[2], Text: fields[3]}
		outcome, err := worker.Deliver(context.Background(), message)
		if err != nil {
			failed = true
			info := ErrorInfo(err)
			log.Println(message.ID, err, info.GetReason(), info.GetMetadata())
			continue
		}
		fmt.Printf("%s %s\n", message.ID, outcome)
	}
	if failed {
		os.Exit(1)
	}
}

// send stands for the carrier. No country has the prefix 999, so nothing can be sent there.
func send(_ context.Context, number, text string) error {
	if strings.HasPrefix(number, "+999") {
		return errors.New("no such number")
	}
	fmt.Printf("to the carrier: %s: %s\n", number, text)
	return nil
}
