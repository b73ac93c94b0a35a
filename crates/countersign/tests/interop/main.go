// Command interop is a log that asks our witness to cosign: its notes, tree and
// proofs are made by the libraries of Go's own checksum database, and what the
// witness answers is verified by the transparency-dev project's.
//
//	interop URL LOG_SKEY WITNESS_VKEY
//
// An ignored test runs it:
//
//	cargo test -p countersign --test cli -- --ignored go_is_a_log
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	beLog(os.Args[1], os.Args[2], os.Args[3])
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// tree is a log in memory whose entries begin with its name.
type tree struct{ hashes []tlog.Hash }

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		found[at] = t.hashes[index]
	}
	return found, nil
}

func of(name string, size int64) *tree {
	t := &tree{}
	for number := range size {
		t.hashes = append(t.hashes, must(tlog.StoredHashes(number, fmt.Appendf(nil, "%s %d", name, number), t))...)
	}
	return t
}

func beLog(at, skey, witnessKey string) {
	signer := must(note.NewSigner(skey))
	verifier := must(fnote.NewVerifierForCosignatureV1(witnessKey))
	ask := func(name string, old, size int64) (int, string) {
		t := of(name, size)
		root := must(tlog.TreeHash(size, t))
		text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, base64.StdEncoding.EncodeToString(root[:]))
		signed := must(note.Sign(&note.Note{Text: text}, signer))
		body := fmt.Sprintf("old %d\n", old)
		if old > 0 && old < size {
			for _, hash := range must(tlog.ProveTree(size, old, t)) {
				body += base64.StdEncoding.EncodeToString(hash[:]) + "\n"
			}
		}
		body += "\n" + string(signed)
		answer := must(http.Post(at+"/add-checkpoint", "", strings.NewReader(body)))
		line := must(io.ReadAll(answer.Body))
		if answer.StatusCode == http.StatusOK {
			opened := must(note.Open(append(signed, line...), note.VerifierList(verifier)))
			if opened.Text != text {
				log.Fatal("another text was cosigned")
			}
			return answer.StatusCode, ""
		}
		return answer.StatusCode, string(line)
	}
	expect := func(what string, name string, old, size int64, status int) {
		if found, said := ask(name, old, size); found != status {
			log.Fatalf("%s: %d %s, expected %d", what, found, said, status)
		}
	}
	sizes := []int64{0, 1, 2, 5, 255, 256, 257, 700, 700}
	for index, size := range sizes[1:] {
		expect(fmt.Sprint(size), "a", sizes[index], size, http.StatusOK)
	}
	expect("an old size", "a", 5, 900, http.StatusConflict)
	expect("a fork", "b", 700, 900, http.StatusUnprocessableEntity)
	expect("a split view", "b", 700, 700, http.StatusConflict)
	expect("the history goes on", "a", 700, 900, http.StatusOK)
	fmt.Printf("%d checkpoints cosigned\n", len(sizes))
}
