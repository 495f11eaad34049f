// Says what moby's own code makes of a Dockerfile's parts: one question in JSON a line in, one answer a line out.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
	mode "github.com/tonistiigi/dchapes-mode"
)

type question struct {
	Ask    string
	Text   []byte
	Paths  [][]byte
	Env    []string
	Escape string
	Mode   uint32
	IsDir  bool
}

type answer struct {
	Error  string `json:",omitempty"`
	Result any
}

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), json.NewEncoder(os.Stdout)
	decoder := json.NewDecoder(in)
	for {
		var asked question
		if decoder.Decode(&asked) != nil {
			return
		}
		result, err := answers[asked.Ask](asked)
		if err != nil {
			out.Encode(answer{Error: err.Error()})
		} else {
			out.Encode(answer{Result: result})
		}
	}
}

var answers = map[string]func(question) (any, error){
	"ignored": ignored, "word": word, "words": words, "platform": platform, "best": best, "chmod": chmod,
	"dockerfile": dockerfile,
}

// Which paths a .dockerignore file leaves out, as fsutil asks for them: with the results of the folder above.
func ignored(asked question) (any, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(asked.Text))
	if err != nil {
		return nil, err
	}
	// A pattern that is malformed shows only where it is asked, and an exception is asked only of what is left out.
	for _, pattern := range patterns {
		for _, asked := range [][]string{{pattern}, {"**", pattern}} {
			alone, err := patternmatcher.New(asked)
			if err != nil {
				return nil, err
			}
			if _, err := alone.MatchesOrParentMatches("x"); err != nil {
				return nil, err
			}
		}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	results := []bool{}
	for _, path := range asked.Paths {
		parts, info, is := strings.Split(string(path), "/"), patternmatcher.MatchInfo{}, false
		for end := range parts {
			is, info, err = matcher.MatchesUsingParentResults(strings.Join(parts[:end+1], "/"), info)
			if err != nil {
				return nil, err
			}
		}
		results = append(results, is)
	}
	return results, nil
}

func lexer(asked question) *shell.Lex { return shell.NewLex(rune(asked.Escape[0])) }

func word(asked question) (any, error) {
	result, _, err := lexer(asked).ProcessWord(string(asked.Text), shell.EnvsFromSlice(asked.Env))
	return result, err
}

func words(asked question) (any, error) {
	return lexer(asked).ProcessWords(string(asked.Text), shell.EnvsFromSlice(asked.Env))
}

func platform(asked question) (any, error) {
	parsed, err := platforms.Parse(string(asked.Text))
	if err != nil {
		return nil, err
	}
	return platforms.Format(platforms.Normalize(parsed)), nil
}

// The best of some platforms for one, as images are chosen; nothing where none of them runs.
func best(asked question) (any, error) {
	wanted, err := platforms.Parse(string(asked.Text))
	if err != nil {
		return nil, err
	}
	matcher, chosen := platforms.Only(wanted), -1
	offered := []specs.Platform{}
	for number, text := range asked.Paths {
		parts := append(strings.Split(string(text), "/"), "")
		offered = append(offered, specs.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]})
		if matcher.Match(offered[number]) && (chosen < 0 || matcher.Less(offered[number], offered[chosen])) {
			chosen = number
		}
	}
	return chosen, nil
}

func chmod(asked question) (any, error) {
	set, err := mode.ParseWithUmask(string(asked.Text), 0)
	if err != nil {
		return nil, err
	}
	before := os.FileMode(asked.Mode & 0o777)
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if asked.Mode&bit != 0 {
			before |= flag
		}
	}
	if asked.IsDir {
		before |= os.ModeDir
	}
	after := set.Apply(before)
	bits := uint32(after.Perm())
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if after&flag != 0 {
			bits |= bit
		}
	}
	return bits, nil
}

type parsed struct {
	Keyword  string
	Line     int
	Flags    []string
	Words    []string
	Heredocs []heredoc
	IsJSON   bool
}

type heredoc struct {
	Name   string
	Text   []byte
	Expand bool
	Chomp  bool
}

// A Dockerfile's instructions as the parser gives them, where none of them is refused.
func dockerfile(asked question) (any, error) {
	file, err := parser.Parse(bytes.NewReader(asked.Text))
	if err != nil {
		return nil, err
	}
	if _, _, err := instructions.Parse(file.AST, nil); err != nil {
		return nil, err
	}
	found := []parsed{}
	for _, node := range file.AST.Children {
		next := parsed{Keyword: strings.ToUpper(node.Value), Line: node.StartLine, Flags: node.Flags, IsJSON: node.Attributes["json"]}
		for _, doc := range node.Heredocs {
			next.Heredocs = append(next.Heredocs, heredoc{doc.Name, []byte(doc.Content), doc.Expand, doc.Chomp})
		}
		for word := node.Next; word != nil; word = word.Next {
			if len(word.Children) == 0 {
				next.Words = append(next.Words, word.Value)
			}
		}
		found = append(found, next)
	}
	return found, nil
}
