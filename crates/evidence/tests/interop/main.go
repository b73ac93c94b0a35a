// Command interop reads a log that our Rust code wrote with the libraries that
// Go's own checksum database and the transparency-dev project use, and writes
// notes of its own for our code to read back.
//
// It is run by an ignored test, which writes the directory first:
//
//	cargo test -p countersign-evidence --test log -- --ignored --nocapture
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var dir string

func main() {
	log.SetFlags(0)
	dir = os.Args[1]
	checkpoint, tree := openCheckpoint()
	hashes := tlog.TileHashReader(tree, tiles{})
	entries := readEntries(tree, hashes)
	provesEverything(tree, hashes, entries)
	receipts(checkpoint, tree, entries)
	consistency(tree)
	answer(checkpoint)
}

func read(name string) []byte { return must(os.ReadFile(filepath.Join(dir, name))) }

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

// openCheckpoint verifies the checkpoint with both its keys and reads it.
func openCheckpoint() ([]byte, tlog.Tree) {
	signed := read("checkpoint")
	own := must(note.NewVerifier(strings.TrimSpace(string(read("vkey")))))
	witness := must(fnote.NewVerifierForCosignatureV1(strings.TrimSpace(string(read("witness-vkey")))))
	opened := must(note.Open(signed, note.VerifierList(own, witness)))
	if len(opened.Sigs) != 2 {
		log.Fatalf("%d signatures verify, expected 2", len(opened.Sigs))
	}
	lines := strings.Split(opened.Text, "\n")
	size := must(strconv.ParseInt(lines[1], 10, 64))
	var root tlog.Hash
	copy(root[:], must(base64.StdEncoding.DecodeString(lines[2])))
	fmt.Printf("checkpoint of %s: %d entries, signed and cosigned\n", lines[0], size)
	return signed, tlog.Tree{N: size, Hash: root}
}

// tiles reads tiles of height 8 from the directory.
type tiles struct{}

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func path(tile tlog.Tile) string              { return strings.Replace(tile.Path(), "tile/8/", "tile/", 1) }
func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		bytes, err := os.ReadFile(filepath.Join(dir, path(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, bytes)
	}
	return found, nil
}

// readEntries reads every bundle and compares it with the leaves of the tree.
func readEntries(tree tlog.Tree, hashes tlog.HashReader) [][]byte {
	var entries [][]byte
	for first := int64(0); first < tree.N; first += 256 {
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(min(256, tree.N-first))}
		bundle := read(strings.Replace(path(tile), "tile/0/", "tile/entries/", 1))
		for len(bundle) > 0 {
			length := int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:2+length])
			bundle = bundle[2+length:]
		}
	}
	if int64(len(entries)) != tree.N {
		log.Fatalf("%d entries, expected %d", len(entries), tree.N)
	}
	for index, entry := range entries {
		leaf := must(hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))}))[0]
		if leaf != tlog.RecordHash(entry) {
			log.Fatalf("entry %d is not the leaf", index)
		}
	}
	fmt.Printf("%d entries are the leaves of the tree\n", len(entries))
	return entries
}

// provesEverything makes Go's proofs out of our tiles, which it authenticates.
func provesEverything(tree tlog.Tree, hashes tlog.HashReader, entries [][]byte) {
	for index, entry := range entries {
		way := must(tlog.ProveRecord(tree.N, int64(index), hashes))
		check("record", tlog.CheckRecord(way, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)))
	}
	for size := int64(1); size <= tree.N; size++ {
		root := must(tlog.TreeHash(size, hashes))
		way := must(tlog.ProveTree(tree.N, size, hashes))
		check("tree", tlog.CheckTree(way, tree.N, tree.Hash, size, root))
	}
	fmt.Printf("%d inclusion and %d consistency proofs made from the tiles\n", len(entries), tree.N)
}

// receipts verifies the receipts that we wrote.
func receipts(checkpoint []byte, tree tlog.Tree, entries [][]byte) {
	files := must(filepath.Glob(filepath.Join(dir, "*.tlog-proof")))
	for _, file := range files {
		var receipt fproof.TLogProof
		text := must(os.ReadFile(file))
		check("receipt", receipt.Unmarshal(text))
		if string(receipt.Marshal()) != string(text) || string(receipt.Checkpoint) != string(checkpoint) {
			log.Fatalf("%s is spelled otherwise", file)
		}
		var way [][]byte
		for _, hash := range receipt.Hashes {
			way = append(way, hash[:])
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(entries[receipt.Index])
		err := proof.VerifyInclusion(rfc6962.DefaultHasher, receipt.Index, uint64(tree.N), leaf, way, tree.Hash[:])
		check(file, err)
	}
	fmt.Printf("%d receipts verify\n", len(files))
}

// consistency verifies the consistency proofs that we wrote: a size, its root and
// the hashes of the proof, each on a line.
func consistency(tree tlog.Tree) {
	files := must(filepath.Glob(filepath.Join(dir, "*.consistency")))
	for _, file := range files {
		lines := strings.Fields(string(must(os.ReadFile(file))))
		size := must(strconv.ParseUint(lines[0], 10, 64))
		var way [][]byte
		for _, line := range lines[1:] {
			way = append(way, must(base64.StdEncoding.DecodeString(line)))
		}
		err := proof.VerifyConsistency(rfc6962.DefaultHasher, size, uint64(tree.N), way[1:], way[0], tree.Hash[:])
		check(file, err)
	}
	fmt.Printf("%d consistency proofs verify\n", len(files))
}

// answer signs and cosigns a checkpoint for our code to verify.
func answer(checkpoint []byte) {
	seed := sha256.Sum256([]byte("interop"))
	secret := func(name string) (string, string) {
		skey, vkey, err := note.GenerateKey(strings.NewReader(string(seed[:])), name)
		check("key", err)
		return skey, vkey
	}
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	own, ownKey := secret(strings.SplitN(text, "\n", 2)[0])
	witness, witnessKey := secret("go.example/witness")
	signer := must(note.NewSigner(own))
	cosigner := must(fnote.NewSignerForCosignatureV1(witness))
	signed := must(note.Sign(&note.Note{Text: text + "\n"}, signer, cosigner))
	check("write", os.WriteFile(filepath.Join(dir, "go-checkpoint"), signed, 0o644))
	keys := ownKey + "\n" + must(fnote.VKeyToCosignatureV1(witnessKey)) + "\n"
	check("write", os.WriteFile(filepath.Join(dir, "go-vkeys"), []byte(keys), 0o644))
}
