package api

// Actor is the part of a body that says who acts.
type Actor struct {
	By string `json:"by,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"text without control characters" example:"ann" doc:"who does this, for the history: a name of at most 200 bytes that the client gives itself; api if it is left out"`
}

// byAPI is whom the history names where the request names nobody.
const byAPI = "api"

// name is what the request calls itself. It is not checked: tokens are shared, so that they tell nobody apart.
func (a *Actor) name() string {
	if a == nil || a.By == "" {
		return byAPI
	}
	return a.By
}

// onRunInput is the input of operations that change one run.
type onRunInput struct {
	IDInput
	Body *Actor
}

// onPipelineInput is the input of operations that change one pipeline.
type onPipelineInput struct {
	NameInput
	Body *Actor
}
