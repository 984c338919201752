// This file packs and unpacks pairs of names and values, as c/gowsgi_packed.h does in C.

package daemon

import (
	"encoding/binary"
	"errors"
)

// Pair is a name and its value. A name may occur in more than one pair.
type Pair struct {
	Name, Value string
}

// ErrPairs is the error of DecodePairs: the bytes are not whole pairs.
var ErrPairs = errors.New("the configuration is cut off or garbled")

const pairOverhead = 8

// DecodePairs copies the pairs out of data.
func DecodePairs(data []byte) ([]Pair, error) {
	var pairs []Pair
	for len(data) > 0 {
		if len(data) < pairOverhead {
			return nil, ErrPairs
		}
		name, value := uint64(binary.BigEndian.Uint32(data)), uint64(binary.BigEndian.Uint32(data[4:]))
		data = data[pairOverhead:]
		if name+value > uint64(len(data)) {
			return nil, ErrPairs
		}
		pairs = append(pairs, Pair{string(data[:name]), string(data[name : name+value])})
		data = data[name+value:]
	}
	return pairs, nil
}

// EncodePairs is the inverse of DecodePairs.
func EncodePairs(pairs []Pair) []byte {
	var data []byte
	for _, p := range pairs {
		data = binary.BigEndian.AppendUint32(data, uint32(len(p.Name)))
		data = binary.BigEndian.AppendUint32(data, uint32(len(p.Value)))
		data = append(append(data, p.Name...), p.Value...)
	}
	return data
}
