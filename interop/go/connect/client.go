package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

const service = "/grpc.testing.TestService/"

// A caller is connect-go's clients of the service's methods.
type caller struct {
	empty     *connect.Client[pb.Empty, pb.Empty]
	unary     *connect.Client[pb.SimpleRequest, pb.SimpleResponse]
	input     *connect.Client[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]
	output    *connect.Client[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	duplex    *connect.Client[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	method    *connect.Client[pb.Empty, pb.Empty]
	elsewhere *connect.Client[pb.Empty, pb.Empty]
}

func connectTests(address, by string, json bool, ca string) (map[string]test, error) {
	protocols := new(http.Protocols)
	transport := &http.Transport{Protocols: protocols, MaxIdleConnsPerHost: 64}
	url := "http://" + address
	if ca == "" {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM(pem)
		protocols.SetHTTP2(true)
		transport.TLSClientConfig = &tls.Config{RootCAs: authorities}
		url = "https://" + address
	}
	var options []connect.ClientOption
	switch by {
	case "grpc":
		options = append(options, connect.WithGRPC())
	case "grpcweb":
		options = append(options, connect.WithGRPCWeb())
	case "connect":
	default:
		return nil, fmt.Errorf("-by %s: it is none of connect, grpc, grpcweb, grpc-go", by)
	}
	if json {
		options = append(options, connect.WithProtoJSON())
	}
	options = append(options, connect.WithSendGzip())
	web := &http.Client{Transport: transport}
	at := url + service
	c := &caller{
		empty:     connect.NewClient[pb.Empty, pb.Empty](web, at+"EmptyCall", options...),
		unary:     connect.NewClient[pb.SimpleRequest, pb.SimpleResponse](web, at+"UnaryCall", options...),
		input:     connect.NewClient[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse](web, at+"StreamingInputCall", options...),
		output:    connect.NewClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](web, at+"StreamingOutputCall", options...),
		duplex:    connect.NewClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](web, at+"FullDuplexCall", options...),
		method:    connect.NewClient[pb.Empty, pb.Empty](web, at+"UnimplementedCall", options...),
		elsewhere: connect.NewClient[pb.Empty, pb.Empty](web, url+"/grpc.testing.UnimplementedService/UnimplementedCall", options...),
	}
	plain := func(run func(context.Context) error) test {
		return func(ctx context.Context, _ int) error { return run(ctx) }
	}
	return map[string]test{
		"empty_unary":                 plain(c.emptyUnary),
		"large_unary":                 plain(func(ctx context.Context) error { return c.large(ctx, largeAsk, largeGet) }),
		"client_streaming":            plain(c.clientStreaming),
		"server_streaming":            plain(c.serverStreaming),
		"ping_pong":                   plain(c.pingPong),
		"empty_stream":                plain(c.emptyStream),
		"cancel_after_begin":          plain(c.cancelAfterBegin),
		"cancel_after_first_response": plain(c.cancelAfterFirstResponse),
		"timeout_on_sleeping_server":  plain(c.timeout),
		"custom_metadata":             plain(c.metadata),
		"status_code_and_message":     plain(func(ctx context.Context) error { return c.status(ctx, "test status message") }),
		"special_status_message":      plain(func(ctx context.Context) error { return c.status(ctx, special) }),
		"unimplemented_method":        plain(func(ctx context.Context) error { return unimplemented(ctx, c.method) }),
		"unimplemented_service":       plain(func(ctx context.Context) error { return unimplemented(ctx, c.elsewhere) }),
		"error_details":               plain(c.details),
		"largest_message":             plain(func(ctx context.Context) error { return c.large(ctx, limit-1024, 10*largeGet) }),
		"message_over_the_limit":      plain(c.overTheLimit),
		"thousand_calls":              plain(c.thousand),
		"peer_killed":                 c.peerKilled,
	}, nil
}

func block(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

func ask(request int, reply int32) *pb.StreamingOutputCallRequest {
	wish := []*pb.ResponseParameters{{Size: reply}}
	return &pb.StreamingOutputCallRequest{Payload: block(request), ResponseParameters: wish}
}

func ends(err error, code connect.Code) error {
	if err == nil {
		return fmt.Errorf("it succeeded in place of %v", code)
	}
	return expect(connect.CodeOf(err) == code, "%v in place of %v", err, code)
}

func (c *caller) emptyUnary(ctx context.Context) error {
	_, err := c.empty.CallUnary(ctx, connect.NewRequest(&pb.Empty{}))
	return err
}

func (c *caller) large(ctx context.Context, request int, reply int32) error {
	asked := &pb.SimpleRequest{ResponseSize: reply, Payload: block(request)}
	answer, err := c.unary.CallUnary(ctx, connect.NewRequest(asked))
	if err != nil {
		return err
	}
	found := len(answer.Msg.GetPayload().GetBody())
	return expect(found == int(reply), "%d bytes came", found)
}

func (c *caller) clientStreaming(ctx context.Context) error {
	stream := c.input.CallClientStream(ctx)
	for _, size := range asks {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: block(size)}); err != nil {
			return err
		}
	}
	answer, err := stream.CloseAndReceive()
	if err != nil {
		return err
	}
	return expect(answer.Msg.AggregatedPayloadSize == 74922, "%d", answer.Msg.AggregatedPayloadSize)
}

func (c *caller) serverStreaming(ctx context.Context) error {
	asked := &pb.StreamingOutputCallRequest{}
	for _, size := range gets {
		asked.ResponseParameters = append(asked.ResponseParameters, &pb.ResponseParameters{Size: size})
	}
	stream, err := c.output.CallServerStream(ctx, connect.NewRequest(asked))
	if err != nil {
		return err
	}
	defer stream.Close()
	at := 0
	for ; stream.Receive(); at++ {
		if at >= len(gets) || len(stream.Msg().GetPayload().GetBody()) != int(gets[at]) {
			return fmt.Errorf("reply %d has %d bytes", at, len(stream.Msg().GetPayload().GetBody()))
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	return expect(at == len(gets), "%d replies", at)
}

func (c *caller) pingPong(ctx context.Context) error {
	stream := c.duplex.CallBidiStream(ctx)
	for at, size := range asks {
		if err := stream.Send(ask(size, gets[at])); err != nil {
			return err
		}
		answer, err := stream.Receive()
		if err != nil {
			return err
		}
		if len(answer.GetPayload().GetBody()) != int(gets[at]) {
			return fmt.Errorf("reply %d has %d bytes", at, len(answer.GetPayload().GetBody()))
		}
	}
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than was asked for: %v", err)
	}
	return stream.CloseResponse()
}

func (c *caller) emptyStream(ctx context.Context) error {
	stream := c.duplex.CallBidiStream(ctx)
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("not empty: %v", err)
	}
	return stream.CloseResponse()
}

func (c *caller) cancelAfterBegin(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := c.input.CallClientStream(ctx)
	if err := stream.Send(&pb.StreamingInputCallRequest{Payload: block(8)}); err != nil {
		return err
	}
	cancel()
	_, err := stream.CloseAndReceive()
	return ends(err, connect.CodeCanceled)
}

func (c *caller) cancelAfterFirstResponse(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := c.duplex.CallBidiStream(ctx)
	if err := stream.Send(ask(27182, 31415)); err != nil {
		return err
	}
	if _, err := stream.Receive(); err != nil {
		return err
	}
	cancel()
	_, err := stream.Receive()
	return ends(err, connect.CodeCanceled)
}

func (c *caller) timeout(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	stream := c.duplex.CallBidiStream(ctx)
	slow := ask(27182, 31415)
	slow.ResponseParameters[0].IntervalUs = 5_000_000
	if err := stream.Send(slow); err != nil && !errors.Is(err, io.EOF) {
		return ends(err, connect.CodeDeadlineExceeded)
	}
	_, err := stream.Receive()
	return ends(err, connect.CodeDeadlineExceeded)
}

func (c *caller) metadata(ctx context.Context) error {
	bin := []byte{0xab, 0xab, 0xab}
	request := connect.NewRequest(&pb.SimpleRequest{ResponseSize: largeGet, Payload: block(largeAsk)})
	request.Header().Set(echoHead, "test_initial_metadata_value")
	request.Header().Set(echoTail, connect.EncodeBinaryHeader(bin))
	answer, err := c.unary.CallUnary(ctx, request)
	if err != nil {
		return err
	}
	if err := echoed(answer.Header(), answer.Trailer(), bin); err != nil {
		return fmt.Errorf("unary: %w", err)
	}
	stream := c.duplex.CallBidiStream(ctx)
	stream.RequestHeader().Set(echoHead, "test_initial_metadata_value")
	stream.RequestHeader().Set(echoTail, connect.EncodeBinaryHeader(bin))
	if err := stream.Send(ask(largeAsk, largeGet)); err != nil {
		return err
	}
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	for {
		if _, err := stream.Receive(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	return echoed(stream.ResponseHeader(), stream.ResponseTrailer(), bin)
}

func echoed(head, tail http.Header, bin []byte) error {
	if found := head.Get(echoHead); found != "test_initial_metadata_value" {
		return fmt.Errorf("initial metadata %q", found)
	}
	found, err := connect.DecodeBinaryHeader(tail.Get(echoTail))
	if err != nil {
		return err
	}
	return expect(bytes.Equal(found, bin), "trailing metadata %x", found)
}

func (c *caller) status(ctx context.Context, message string) error {
	wish := &pb.EchoStatus{Code: 2, Message: message}
	_, unary := c.unary.CallUnary(ctx, connect.NewRequest(&pb.SimpleRequest{ResponseStatus: wish}))
	stream := c.duplex.CallBidiStream(ctx)
	if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wish}); err != nil {
		return err
	}
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	_, streamed := stream.Receive()
	for _, found := range []error{unary, streamed} {
		var status *connect.Error
		if !errors.As(found, &status) || status.Code() != connect.CodeUnknown || status.Message() != message {
			return fmt.Errorf("%v", found)
		}
	}
	return nil
}

func unimplemented(ctx context.Context, client *connect.Client[pb.Empty, pb.Empty]) error {
	_, err := client.CallUnary(ctx, connect.NewRequest(&pb.Empty{}))
	return ends(err, connect.CodeUnimplemented)
}

func (c *caller) details(ctx context.Context) error {
	for _, message := range []string{withReason, withViolations} {
		wish := &pb.EchoStatus{Code: 3, Message: message}
		_, unary := c.unary.CallUnary(ctx, connect.NewRequest(&pb.SimpleRequest{ResponseStatus: wish}))
		stream := c.duplex.CallBidiStream(ctx)
		if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wish}); err != nil {
			return err
		}
		if err := stream.CloseRequest(); err != nil {
			return err
		}
		_, streamed := stream.Receive()
		for _, found := range []error{unary, streamed} {
			var status *connect.Error
			if !errors.As(found, &status) || status.Code() != connect.CodeInvalidArgument {
				return fmt.Errorf("%s: %v", message, found)
			}
			var details []any
			for _, detail := range status.Details() {
				// Motet's own details of a typed error have no type here.
				if value, err := detail.Value(); err == nil {
					details = append(details, value)
				}
			}
			if err := areThere(message, details); err != nil {
				return err
			}
		}
	}
	return nil
}

// areThere says whether an error's details are those that its message asked for.
func areThere(message string, details []any) error {
	for _, detail := range details {
		switch value := detail.(type) {
		case *errdetails.ErrorInfo:
			if message == withReason && value.Reason == reason {
				return nil
			}
		case *errdetails.BadRequest:
			if message == withViolations && len(value.FieldViolations) == 1 && value.FieldViolations[0].Field == field {
				return nil
			}
		}
	}
	return fmt.Errorf("%s: %v", message, details)
}

func (c *caller) overTheLimit(ctx context.Context) error {
	for _, sizes := range [][2]int{{limit + 1, 1}, {1, limit + 1}} {
		asked := &pb.SimpleRequest{ResponseSize: int32(sizes[1]), Payload: block(sizes[0])}
		_, err := c.unary.CallUnary(ctx, connect.NewRequest(asked))
		if err := ends(err, connect.CodeResourceExhausted); err != nil {
			return fmt.Errorf("%v bytes: %w", sizes, err)
		}
	}
	return c.emptyUnary(ctx)
}

func (c *caller) thousand(ctx context.Context) error {
	return atOnce(1000, func() error { return c.large(ctx, 1000, 1000) })
}

func atOnce(count int, run func() error) error {
	var wait sync.WaitGroup
	outcomes := make(chan error, count)
	for range count {
		wait.Go(func() { outcomes <- run() })
	}
	wait.Wait()
	close(outcomes)
	var failed error
	for err := range outcomes {
		failed = errors.Join(failed, err)
	}
	return failed
}

func (c *caller) peerKilled(ctx context.Context, pid int) error {
	stream := c.duplex.CallBidiStream(ctx)
	if err := stream.Send(ask(8, 9)); err != nil {
		return err
	}
	if _, err := stream.Receive(); err != nil {
		return err
	}
	if err := kill(pid); err != nil {
		return err
	}
	_, err := stream.Receive()
	return expect(err != nil && !errors.Is(err, io.EOF), "the call went on or ended well: %v", err)
}
