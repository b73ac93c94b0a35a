// Command verify checks receipts and checkpoints of a Countersign log with the
// packages behind Go's own checksum database. It shares no code with Countersign.
//
//	verify receipt VKEY RECEIPT     the tree holds the entry, which is printed
//	verify extends VKEY OLD URL     the log at URL still holds all that OLD held
//
// VKEY, RECEIPT and OLD are files: the log's key as you were given it, a
// c2sp.org/tlog-proof and a checkpoint. Exit code 1: it is not so.
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("not verified: ")
	if len(os.Args) < 4 {
		log.Fatal("expected `receipt VKEY RECEIPT` or `extends VKEY OLD URL`")
	}
	verifier := must(note.NewVerifier(strings.TrimSpace(read(os.Args[2]))))
	switch {
	case os.Args[1] == "receipt":
		receipt(verifier, read(os.Args[3]))
	case os.Args[1] == "extends" && len(os.Args) > 4:
		extends(verifier, open(verifier, read(os.Args[3])), os.Args[4])
	default:
		log.Fatal("expected `receipt VKEY RECEIPT` or `extends VKEY OLD URL`")
	}
}

// receipt checks that the tree holds the entry inside the receipt, and prints it.
func receipt(verifier note.Verifier, text string) {
	proof, checkpoint, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(proof, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		log.Fatal("this is no receipt with its entry inside")
	}
	entry := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra ")))
	index := must(strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64))
	var way tlog.RecordProof
	for _, line := range lines[3:] {
		way = append(way, must(tlog.ParseHash(line)))
	}
	tree := open(verifier, checkpoint)
	check(tlog.CheckRecord(way, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	fmt.Fprintf(os.Stderr, "entry %d of %d in %s, verified\n", index, tree.N, verifier.Name())
	fmt.Printf("%s\n", entry)
}

// extends checks that the log has only grown since the old tree.
func extends(verifier note.Verifier, old tlog.Tree, url string) {
	tree := open(verifier, string(get(url+"/log/checkpoint")))
	// The reader checks every tile against the signed root.
	hashes := tlog.TileHashReader(tree, tiles(url+"/log/"))
	proof := must(tlog.ProveTree(tree.N, old.N, hashes))
	check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	fmt.Fprintf(os.Stderr, "the tree of %d holds all of the tree of %d, verified\n", tree.N, old.N)
}

// open verifies a checkpoint and reads it.
func open(verifier note.Verifier, text string) tlog.Tree {
	opened := must(note.Open([]byte(text), note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		log.Fatal("the checkpoint is of another log")
	}
	return tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: must(tlog.ParseHash(lines[2]))}
}

// tiles reads tiles of height 8 below a URL.
type tiles string

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (base tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		// C2SP's paths are Go's without the height.
		found = append(found, get(string(base)+strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return found, nil
}

func get(url string) []byte {
	answer := must(http.Get(url))
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s", url, answer.Status)
	}
	return must(io.ReadAll(answer.Body))
}

func read(file string) string { return string(must(os.ReadFile(file))) }

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
