# What the location makes of a request is at the replay what it was at
# submission; our own variables tell the two apart.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: the variables of a job are in the access log of submit and replay
--- http_config
    async_queue reports;
    log_format jobs '$request_method=$async_job_id=$async_job_status=$async_queue=$async_attempt=$async_replay=$status';
--- config
    location /a     { access_log logs/access.log jobs;
                      async on queue=reports; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a');
my $id = $answer->json->{id};
wait_job($answer);
ok(logged(qr/^POST=$id=queued=reports=-=-=202$/), 'the submit');
ok(logged(qr/^POST=$id=processing=reports=1=1=200$/), 'the replay');
get('/a');
ok(logged(qr/^GET=-=-=-=-=-=200$/), 'a plain request has none of it');
is(scalar(log_lines(qr/=$id=/)), 2, 'two lines of the job');



=== TEST 2: the connection's variables are those of the client
--- http_config
    log_format all '$async_replay;$remote_addr;$remote_port;$server_addr;$server_port;$server_protocol;$server_name;$scheme;$https;$request_id;$connection;$connection_requests;$remote_user;$proxy_add_x_forwarded_for;$host;$http_host;$request_uri;$uri;$args;$request_method;$content_type;$content_length;$hostname;$is_args;$document_root';
--- config
    location /a     { access_log logs/access.log all;
                      async on; proxy_pass http://$TEST_NGINX_BACKEND;
                      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                      proxy_set_header X-Forwarded-Proto $scheme;
                      proxy_set_header X-Request-Id $request_id;
                      proxy_set_header X-Port $remote_port;
                      proxy_set_header Host $host; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a?b=c', body => 'hello', host => 'shop.test', headers => ['X-Forwarded-For' => '192.0.2.7', 'Content-Type' => 'text/plain', Authorization => 'Basic dXNlcjpwYXNz']);
wait_job($answer);
my $submit = logged(qr/^-;/);
my $replay = logged(qr/^1;/);
like($submit, qr/^-;127\.0\.0\.1;\d+;127\.0\.0\.1;\d+;HTTP\/1\.1;localhost;http;;[0-9a-f]{32};\d+;1;user;192\.0\.2\.7, 127\.0\.0\.1;shop\.test;/, 'the submit has them all');
is($replay =~ s/^1//r, $submit =~ s/^-//r, 'and the replay the same');
my ($head) = seen();
my @value = split /;/, $submit;
like($head, qr/^X-Forwarded-For: 192\.0\.2\.7, 127\.0\.0\.1\r$/m, 'X-Forwarded-For');
like($head, qr/^X-Forwarded-Proto: http\r$/m, 'X-Forwarded-Proto');
like($head, qr/^X-Request-Id: $value[9]\r$/m, 'X-Request-Id');
like($head, qr/^X-Port: $value[2]\r$/m, 'the port');
like($head, qr/^Host: shop\.test\r$/m, 'Host');



=== TEST 3: variables that only the replay asks for are those of the submit as well
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND;
                      proxy_set_header X-All "$remote_addr $remote_port $server_addr $server_port $server_protocol $scheme $connection"; }
    location /jobs/ { async_status; }
--- check
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
my $port   = $socket->sockport;
print $socket "POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx";
my ($path) = do { local $/; <$socket> } =~ m{"statusUrl":"([^"]+)"};
close $socket;
AsyncNginx::_start_worker($t->store);
wait_job($path);
my $server = $t->port;
like((seen())[0], qr{^X-All: 127\.0\.0\.1 $port 127\.0\.0\.1 $server HTTP/1\.0 http \d+\r$}m, 'all are known, after the client has gone');



=== TEST 4: addresses are those that the client used
--- http_config
    server {
        listen 127.0.0.2:$TEST_NGINX_PORT_2;
        location /a     { async on; proxy_set_header X-At $server_addr:$server_port;
                          proxy_pass http://$TEST_NGINX_BACKEND; }
        location /jobs/ { async_status; }
    }
--- config
    location /other { return 404; }
--- check
my $port = $t->port(2);
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.2:$port", LocalAddr => '127.0.0.3') or die $!;
print $socket "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
my $answer = do { local $/; <$socket> };
like($answer, qr/^HTTP\/1.1 202/, 'accepted');
ok(poll_until(10, sub { executions() == 1 }), 'it runs');
like((seen())[0], qr/^X-At: 127\.0\.0\.2:$port\r$/m, 'the address of the server');



=== TEST 5: realip: the replay sees what it made of the client, once
--- http_config
    log_format ip '$async_replay $remote_addr $realip_remote_addr $realip_remote_port $proxy_add_x_forwarded_for';
--- config
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    location /a     { access_log logs/access.log ip;
                      async on; allow 192.0.2.7; deny all;
                      proxy_set_header X-Real $remote_addr;
                      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @from = (headers => ['X-Forwarded-For' => '192.0.2.7']);
is(wait_job(submit('/a', @from))->{resultStatus}, 200, 'allowed by the address that the proxy told');
my ($head) = seen();
like($head, qr/^X-Real: 192\.0\.2\.7\r$/m, '$remote_addr');
like($head, qr/^X-Forwarded-For: 192\.0\.2\.7, 192\.0\.2\.7\r$/m, '$proxy_add_x_forwarded_for');
my $submit = logged(qr/^- /);
my $replay = logged(qr/^1 /);
like($submit, qr/^- 192\.0\.2\.7 127\.0\.0\.1 \d+ /, 'the submit knows both addresses');
is($replay =~ s/^1//r, $submit =~ s/^-//r, 'the replay the same');
is(request('POST', '/a', body => 'x', headers => ['X-Forwarded-For' => '192.0.2.8'])->{status}, 403, 'another is denied');



=== TEST 6: map, set and cookies are what they were
--- http_config
    map $http_x_tier $tier { default basic; gold premium; }
    map $remote_addr $near { default far; 127.0.0.1 near; }
--- config
    set $server_level "from-$arg_a";
    location /a     { async on; set $local "$arg_a-$tier"; set $empty "";
                      proxy_set_header X-All "$tier $near $server_level $local $cookie_c";
                      proxy_set_header X-Empty "[$empty]";
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?a=1', headers => ['X-Tier' => 'gold', Cookie => 'c=d']));
my ($head) = seen();
like($head, qr/^X-All: premium near from-1 1-premium d\r$/m, 'all of them');
like($head, qr/^X-Empty: \[\]\r$/m, 'an empty one is empty');



=== TEST 7: what set and async_keep have seen at submission is not seen anew
--- no_worker
--- config
    location /a     { async on; async_keep $msec; set $stamp $time_iso8601/$msec;
                      proxy_set_header X-Stamp $stamp;
                      proxy_set_header X-Kept $msec;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; proxy_set_header X-Now $msec;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @job = (submit('/a'), submit('/b'));
my $after = Time::HiRes::time();
poll_until(10, sub { Time::HiRes::time() > $after + 0.05 });
AsyncNginx::_start_worker($t->store);
wait_job($_) for @job;
my $heads = join '', map { (seen($_))[0] } 1, 2;
my ($stamp) = $heads =~ m{^X-Stamp: \S+/([\d.]+)\r$}m;
my ($kept)  = $heads =~ m{^X-Kept: ([\d.]+)\r$}m;
my ($now)   = $heads =~ m{^X-Now: ([\d.]+)\r$}m;
cmp_ok($stamp, '<=', $after, 'set: the time of the submit');
is($kept, $stamp, 'async_keep: the same');
cmp_ok($now, '>', $after, 'neither: the time of the replay');



=== TEST 8: async_keep keeps what async_drop_header takes away
--- config
    location /a     { async on; async_drop_header Cookie; async_keep $cookie_user $arg_a;
                      proxy_set_header X-User $cookie_user;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_drop_header Cookie;
                      proxy_set_header X-User "[$cookie_user]";
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a', headers => [Cookie => 'user=me']));
my ($head) = seen();
unlike($head, qr/^Cookie:/m, 'no Cookie');
like($head, qr/^X-User: me\r$/m, 'the variable is known');
wait_job(submit('/b', headers => [Cookie => 'user=me']));
like((seen())[0], qr/^X-User: \[\]\r$/m, 'not kept: not known');



=== TEST 9: async_keep off cancels what is inherited
--- no_worker
--- config
    async_keep $msec;
    location /a     { async on; async_keep off; proxy_set_header X-Now $msec;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job   = submit('/a');
my $after = Time::HiRes::time();
poll_until(10, sub { Time::HiRes::time() > $after + 0.05 });
AsyncNginx::_start_worker($t->store);
wait_job($job);
my ($now) = (seen())[0] =~ m{^X-Now: ([\d.]+)\r$}m;
cmp_ok($now, '>', $after, 'the time of the replay');



=== TEST 10: a value with every byte that may stand in one
--- config
    location /a     { async on; set $copy $http_x_odd; proxy_set_header X-Copy $copy;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $odd = join '', map { chr } 0x21 .. 0x7e, 0x80 .. 0xff;
wait_job(submit('/a', headers => ['X-Odd' => $odd]));
my ($head) = seen();
like($head, qr/^X-Copy: \Q$odd\E\r$/m, 'a variable');
like($head, qr/^X-Odd: \Q$odd\E\r$/m, 'a field');



=== TEST 11: variables too large to be kept make no job, and the log says what to do
--- config
    location /a     { async on; set $a $args$args; set $b $args; proxy_set_header X-A $b;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a?' . 'x' x 7500, body => 'x');
cmp_ok($answer->{status}, '>=', 500, 'refused');
ok(error_logged(qr/\[error\] .*a job's variables take \d+ bytes, 16384 are possible: set fewer, or name those that matter in "async_keep"/), 'the log says why');
is(jobs(), 0, 'no job');
is(wait_job(submit('/a?' . 'x' x 4000))->{resultStatus}, 200, 'what fits runs');



=== TEST 12: the host of an absolute request line is the host of the replay
--- config
    location /a     { async on; proxy_set_header X-Host $host; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_set_header X-Host $host; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $ask = sub { raw("POST http://line.test$_[0]?b=c HTTP/1.1\r\nHost: field.test\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx") };
$ask->('/sync');
my ($expected) = (seen())[0] =~ /^(X-Host: .*)\r$/m;
is($expected, 'X-Host: line.test', 'a synchronous one has the host of the line');
wait_job($ask->('/a'));
my ($head) = seen();
like($head, qr/^$expected\r$/m, 'the replay as well');
like($head, qr{^POST /a\?b=c HTTP}, 'and the URI');



=== TEST 13: HTTP/2: the protocol is that of the client
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_PORT_2 http2;
        location /a     { async on; proxy_set_header X-All "$server_protocol $http2 $host";
                          proxy_pass http://$TEST_NGINX_BACKEND; }
        location /jobs/ { async_status; }
    }
--- config
    location /other { return 204; }
--- check
my $port = $t->port(2);
my $curl = "curl -sS -m 20 --noproxy '*' --http2-prior-knowledge";
my $out  = `$curl -d hello 'http://127.0.0.1:$port/a?b=c'`;
my ($path) = $out =~ m{"statusUrl":"([^"]+)"};
ok($path, 'accepted') or diag $out;
ok(poll_until(10, sub { `$curl http://127.0.0.1:$port$path` =~ /"completed"/ }), 'completed');
my ($head, $body) = seen();
like($head, qr{^POST /a\?b=c HTTP/1}, 'the request line');
like($head, qr{^X-All: HTTP/2\.0 h2c 127\.0\.0\.1\r$}m, 'the variables');
is($body, 'hello', 'the body');



=== TEST 14: a submit that was refused has no job in the log
--- no_worker
--- http_config
    log_format refused '$status=$async_job_id=';
    async_queue tiny max_queued=1;
--- config
    location /a     { access_log logs/access.log refused; async on queue=tiny;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
is(request('POST', '/a', body => 'x')->{status}, 503, 'refused');
ok(logged(qr/^202=$id=$/m), 'the one that was accepted');
ok(logged(qr/^503=-=$/m), 'the one that was not');



=== TEST 15: a replay is the last of its connection, and loses no answer by that
--- http_config
    log_format last '$async_replay $uri $status $sent_http_connection';
--- config
    location /a       { access_log logs/access.log last;
                        async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /nowhere { access_log logs/access.log last; async on; }
    location /jobs/   { async_status; }
--- check
for my $body ('', 'hello', 'x' x 200_000) {
    my $title = 'with a body of ' . length($body) . ' bytes';
    is(wait_job(submit('/a', body => $body))->{resultStatus}, 200, "$title");
    is(wait_job(submit('/nowhere', body => $body))->{resultStatus}, 404, "$title that nobody reads");
}
is(scalar(log_lines(qr{^1 /a 200 close$})) >= 2, 1, 'the connection ends, unless much was read');
is(scalar(log_lines(qr{^1 /nowhere 404 close$})) >= 2, 1, 'and with what was not read');
