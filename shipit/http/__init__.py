"""HTTP: a request is a value, an answer comes back, and wrappers around the transport add what a server needs.

    registry/wire    registry/auth    targets/registry/hub    targets/heroku/wire    targets/kubernetes/server
         |                |                    |                       |                        |
         +----------------+------- retrying(call)  once per request, at the outermost level ----+
                                               |
    wrappers, Send -> Send     redirected(send)   follows a Location, to allowed places only
                               authorized(send)   adds an Authorization header, and renews it once after a challenge
                                               |
    Transport.answer(request)  masks the credentials of a request; Pace: deadline, silence, rate and size of each exchange
                                    |                          |
                               Direct, by http.client     Proxied, by requests
                                    |                          |
                               sockets that ask their Pace before each wait

    no answer  -> failures.translate -> RemoteError        a status -> statuses.refusal -> RemoteError
    Answer: status and headers; `json`, `content` (8 MiB at most) or `pieces`, a stream; Field reads JSON, field by field

Request, Answer and Send are in messages. Redirects, urls, reach, proxy, statuses, failures, fields and credentials_in are pure.
May import errors, events, clock, config.
"""
