-- Jobs as they are done by hand with nginx, Lua and Redis: a hash for a job,
-- a list for those that wait, one for those that run.  No retries, no events.

local _M = {}

local PORT


function _M.init(port)
    PORT = port
end


local function command(...)
    local args = { ... }
    local out = { "*", #args, "\r\n" }

    for i = 1, #args do
        local arg = tostring(args[i])
        out[#out + 1] = "$" .. #arg .. "\r\n" .. arg .. "\r\n"
    end

    return table.concat(out)
end


local function reply(sock)
    local line = assert(sock:receive("*l"))
    local kind, rest = line:sub(1, 1), line:sub(2)

    if kind == "+" or kind == ":" then
        return rest
    end

    if kind == "-" then
        error(rest)
    end

    local n = tonumber(rest)

    if n < 0 then
        return nil
    end

    if kind == "$" then
        local bytes = assert(sock:receive(n))
        assert(sock:receive(2))
        return bytes
    end

    local list = {}

    for i = 1, n do
        list[i] = reply(sock)
    end

    return list
end


local function open()
    local sock = ngx.socket.tcp()
    sock:settimeout(600000)
    assert(sock:connect("127.0.0.1", PORT))
    return sock
end


-- all in one round trip; the last reply

local function redis(...)
    local sock = open()
    assert(sock:send({ ... }))

    local last
    for _ = 1, select("#", ...) do
        last = reply(sock)
    end

    sock:setkeepalive(60000, 256)
    return last
end


local hex = require "resty.core.base64" and function(n)
    local f = io.open("/dev/urandom", "rb")
    local bytes = f:read(n)
    f:close()
    return (bytes:gsub(".", function(c)
        return string.format("%02x", c:byte())
    end))
end

local seed, count = nil, 0

local function new_id()
    seed = seed or hex(12)
    count = count + 1
    return seed .. string.format("%08x", count)
end


function _M.submit()
    ngx.req.read_body()

    local id = new_id()
    local job = "job:" .. id

    redis(command("MULTI"),
          command("HSET", job, "status", "queued", "created", ngx.now(),
                  "body", ngx.req.get_body_data() or ""),
          command("LPUSH", "waiting", id),
          command("EXEC"))

    ngx.status = 202
    ngx.header["Location"] = "/jobs/" .. id
    ngx.header["Content-Type"] = "application/json"
    ngx.print('{"id":"', id, '","status":"queued"}')
end


function _M.status()
    local id = ngx.var.uri:sub(7)
    local found = redis(command("HMGET", "job:" .. id, "status", "created",
                                "finished"))

    if not found[1] then
        return ngx.exit(404)
    end

    ngx.header["Content-Type"] = "application/json"
    ngx.print('{"id":"', id, '","status":"', found[1], '","createdAt":',
              found[2], ',"finishedAt":', found[3] or "null", '}')
end


local function post(backend, body)
    local sock = ngx.socket.tcp()

    sock:settimeout(60000)
    assert(sock:connect("127.0.0.1", backend))
    assert(sock:send({ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ",
                       #body, "\r\n\r\n", body }))

    local status = assert(sock:receive("*l")):match("^HTTP/1.1 (%d+)")
    local length = 0

    while true do
        local line = assert(sock:receive("*l"))
        if line == "" then
            break
        end
        length = tonumber(line:lower():match("^content%-length: (%d+)"))
                 or length
    end

    local answer = length > 0 and assert(sock:receive(length)) or ""
    sock:setkeepalive(60000, 256)

    return status, answer
end


local function work(premature, backend)
    if premature then
        return
    end

    local sock = open()

    local function call(...)
        assert(sock:send({ ... }))
        local last
        for _ = 1, select("#", ...) do
            last = reply(sock)
        end
        return last
    end

    while not ngx.worker.exiting() do
        local id = call(command("BLMOVE", "waiting", "running", "RIGHT",
                                "LEFT", 1))
        if id then
            local job = "job:" .. id
            local body = call(command("HSET", job, "status", "processing"),
                              command("HGET", job, "body"))
            local status, answer = post(backend, body)

            call(command("MULTI"),
                 command("HSET", job, "status", "completed", "result",
                         answer, "code", status, "finished", ngx.now()),
                 command("LREM", "running", 1, id),
                 command("EXEC"))
        end
    end
end


function _M.work(backend, n)
    for _ = 1, n do
        ngx.timer.at(0, work, backend)
    end
end


return _M
