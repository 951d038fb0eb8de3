package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/vmihailenco/msgpack/v4"
)

// Header is that of go-rpc: its fields, in its order.
type Header struct {
	Seq           uint64
	MessageType   byte
	CompressType  byte
	SerializeType byte
	StatusCode    byte
	ServiceName   string
	MethodName    string
	Error         string
	MetaData      map[string]interface{}
}

const (
	request   = 0
	response  = 1
	heartbeat = 2
)

// codec is one of go-rpc's serializers; a connection has one for headers and bodies.
type codec struct {
	number    byte
	marshal   func(interface{}) ([]byte, error)
	unmarshal func([]byte, interface{}) error
}

var codecs = map[string]codec{
	"json":    {0, json.Marshal, json.Unmarshal},
	"msgpack": {1, func(v interface{}) ([]byte, error) { return msgpack.Marshal(v) }, func(b []byte, v interface{}) error { return msgpack.Unmarshal(b, v) }},
}

// write sends a frame of version 0.
func (c codec) write(w io.Writer, header *Header, body []byte) error {
	head, err := c.marshal(header)
	if err != nil {
		return err
	}
	frame := []byte{0xab, 0xba, 0}
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(head)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(head)))
	frame = append(append(frame, head...), body...)
	_, err = w.Write(frame)
	return err
}

// read takes a frame.
func (c codec) read(r io.Reader) (*Header, []byte, error) {
	start := make([]byte, 11)
	if _, err := io.ReadFull(r, start); err != nil {
		return nil, nil, err
	}
	if start[0] != 0xab || start[1] != 0xba {
		return nil, nil, errors.New("wrong protocol")
	}
	total, length := binary.BigEndian.Uint32(start[3:]), binary.BigEndian.Uint32(start[7:])
	if total < 4 || length > total-4 {
		return nil, nil, errors.New("invalid total length")
	}
	rest := make([]byte, total-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, nil, err
	}
	header := new(Header)
	return header, rest[length:], c.unmarshal(rest[:length], header)
}
