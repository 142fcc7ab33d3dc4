package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

var (
	errNoBucket = pipeline.Permanent(errors.New("blob.Store: no Bucket is set"))
	errNoAnswer = pipeline.Transient(errors.New("no answer came in time"))
	errAborted  = errors.New("the upload was dropped")
)

// failure is an error whose text is fit to be read: one line, nothing said twice, no secret.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// changedError is an ErrChanged that tells how.
type changedError struct{ how string }

func (e *changedError) Error() string        { return e.how }
func (e *changedError) Is(target error) bool { return target == files.ErrChanged }

// nameError says which object an error is about. That a run was cancelled is no object's fault.
func nameError(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// answer is what a service answered, whichever it is.
type answer struct {
	status     int // of HTTP; 0 if there was no answer
	code, text string
}

func answerOf(err error) (a answer) {
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		a.status, a.text = e.Code, e.Message
		if len(e.Errors) > 0 {
			a.code = e.Errors[0].Reason
		}
		return a
	}
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return answer{status: e.StatusCode, code: e.ErrorCode}
	}
	var withStatus interface{ HTTPStatusCode() int }
	if errors.As(err, &withStatus) {
		a.status = withStatus.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.text = api.ErrorCode(), api.ErrorMessage()
	}
	return a
}

func (a answer) String() string {
	said := http.StatusText(a.status)
	if a.code != "" && a.code != said {
		said = a.code
	}
	if a.status > 0 {
		said = strings.TrimSpace(fmt.Sprintf("%d %s", a.status, said))
	}
	if a.text != "" && a.text != a.code {
		said += ": " + oneLine(a.text)
	}
	return said
}

// is tells whether the service gave one of these codes.
func (a answer) is(codes ...string) bool {
	for _, c := range codes {
		if strings.EqualFold(a.code, c) {
			return true
		}
	}
	return false
}

// explain says what an error of the client's means, and whether another attempt may do better.
func (s Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a := answerOf(err)
	about := func(format string, args ...any) error {
		return &failure{fmt.Sprintf(format, args...), err}
	}
	switch {
	case errors.Is(err, files.ErrChanged), pipeline.IsPermanent(err):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	case a.status == 0 && unreachable(err) != nil:
		return pipeline.Transient(about("the bucket cannot be reached: %s", oneLine(unreachable(err).Error())))
	case a.is("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"), strings.Contains(a.text, "bucket does not exist"):
		return pipeline.Permanent(about("the bucket is not there (%s)", a))
	case a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect,
		a.is("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
		return pipeline.Permanent(about("the bucket is in another region, or behind another endpoint, than it was opened with (%s)", a))
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, gcerrors.Code(err) == gcerrors.PermissionDenied,
		a.is("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccessDenied"):
		return pipeline.Permanent(fmt.Errorf("%w (%s): check the credentials and what they allow", fs.ErrPermission, a))
	case a.status == http.StatusPreconditionFailed, a.status == http.StatusRequestedRangeNotSatisfiable:
		return &changedError{fmt.Sprintf("the object has changed since it was looked up (%s)", a)}
	case a.status == http.StatusNotFound, gcerrors.Code(err) == gcerrors.NotFound:
		return s.missing(ctx)
	case a.status == http.StatusBadRequest && a.text == "":
		return pipeline.Permanent(about("the service refuses the request (%s), as S3 does when the region is wrong or a session has ended", a))
	case a.status >= 400 && a.status < 500 && a.status != http.StatusRequestTimeout && a.status != http.StatusTooManyRequests && a.status != http.StatusConflict:
		return pipeline.Permanent(about("the service refuses the request (%s)", a))
	case a.status >= 400:
		return pipeline.Transient(about("the service fails (%s)", a))
	}
	return about("%s", oneLine(peeled(err).Error()))
}

// missing asks whether it is the object that is not there, or the whole bucket: the answer to both looks alike.
func (s Store) missing(ctx context.Context) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	if there, err := s.Bucket.IsAccessible(ctx); err == nil && !there {
		return pipeline.Permanent(errors.New("the bucket is not there"))
	}
	return pipeline.Permanent(fmt.Errorf("the bucket has no such object: %w", fs.ErrNotExist))
}

// unreachable returns why a request got no answer, without its URL, in which there may be a signature.
func unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return nil
}

// peeled is an error without what gocloud says of it, the key once more.
func peeled(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 && several.Unwrap()[0] != nil {
		return several.Unwrap()[0]
	}
	return err
}
