// Answers, line by line, what kubectl reads in the text of a manifest file.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	goyaml "go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type question struct{ Text []byte }

type answer struct {
	Result  []interface{} `json:",omitempty"`
	Error   string        `json:",omitempty"`
	Ignores bool
}

// documents reads as cli-runtime's resource.StreamVisitor does.
func documents(text []byte) (found []interface{}, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			found, err = nil, fmt.Errorf("panic: %v", problem)
		}
	}()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		raw := runtime.RawExtension{}
		if err := decoder.Decode(&raw); err != nil {
			if err == io.EOF {
				return found, nil
			}
			return nil, err
		}
		data := bytes.TrimSpace(raw.Raw)
		if len(data) == 0 || bytes.Equal(data, []byte("null")) {
			continue
		}
		var value interface{}
		if err := kubejson.Unmarshal(data, &value); err != nil {
			return nil, err
		}
		found = append(found, value)
	}
}

// ignoresText says whether there is text behind the end of a document, which kubectl does not read.
func ignoresText(text []byte) (is bool) {
	defer func() {
		if recover() != nil {
			is = true
		}
	}()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if err != nil {
			return false
		}
		var value interface{}
		decoder := goyaml.NewDecoder(bytes.NewReader(document))
		if decoder.Decode(&value) == nil && decoder.Decode(&value) != io.EOF {
			return true
		}
	}
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		found, err := documents(asked.Text)
		said := answer{Result: found, Ignores: ignoresText(asked.Text)}
		if err != nil {
			said = answer{Error: err.Error()}
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
