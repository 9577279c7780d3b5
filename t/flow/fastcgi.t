#!/usr/bin/env perl

# Handlers other than proxy_pass: fastcgi_pass to php-cgi, and static files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Digest::MD5 qw(md5_hex);
use IO::Socket::INET;
use Test::More;


my $fastcgi = <<'END';
            fastcgi_pass 127.0.0.1:%%PORT_PHP%%;
            fastcgi_param SCRIPT_FILENAME %%ROOT%%/html/report.php;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param DOCUMENT_URI $document_uri;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param REQUEST_SCHEME $scheme;
            fastcgi_param HTTPS $https if_not_empty;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param REDIRECT_STATUS 200;
            fastcgi_read_timeout 1s;
            client_max_body_size 4m;
END

my $t = AsyncTest->new(http => <<"END");
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_TLS%% ssl;
        server_name php.test;
        ssl_certificate %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        root %%ROOT%%/html;

        location /async/ {
            async on;
            async_retry off;
$fastcgi
        }

        location /sync/ {
$fastcgi
        }

        location /files/ {
            async on;
            async_retry off;
            async_methods GET;
        }

        location /plain/ {
            alias %%ROOT%%/html/files/;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->make_certificate('php.test');
$t->write_file('html/files/small.txt', "small\n");
$t->write_file('html/files/large.bin', pattern(3 << 20));
$t->write_file('html/files/empty.txt', '');

$t->write_file('html/report.php', <<'END');
<?php
$body = file_get_contents("php://input");
parse_str($_SERVER["QUERY_STRING"], $query);
usleep((int) (1e6 * ($query["sleep"] ?? 0)));
http_response_code((int) ($query["status"] ?? 200));
header("X-Php: one");
header("X-Php: two", false);
header("Content-Type: application/json");
if (isset($query["size"])) {
    echo str_repeat("0123456789abcdef", (int) $query["size"] / 16);
    return;
}
$server = array_filter($_SERVER, fn ($name) => preg_match(
    '/^(HTTP_|REMOTE_|SERVER_|REQUEST_(?!TIME)|QUERY_|SCRIPT_|CONTENT_|HTTPS'
    . '|DOCUMENT_)/', $name), ARRAY_FILTER_USE_KEY);
ksort($server);
echo json_encode(["server" => $server, "post" => $_POST,
                  "length" => strlen($body), "md5" => md5($body)]);
END

my $port = $t->port('PHP');
$t->spawn('php', 'php-cgi', '-b', "127.0.0.1:$port", '-d', 'post_max_size=8M',
          '-d', 'cgi.rfc2616_headers=0', '-d', 'expose_php=0');
ok(poll_until(20, sub {
       IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
   }), 'php-cgi runs') or BAIL_OUT('no php-cgi');
$t->start;


# --- FastCGI --------------------------------------------------------------

# the port is the client's own at each request; Connection is hop by hop
sub facts {
    my ($answer) = @_;
    my $json = $answer->json;
    my $port = delete $json->{server}{REMOTE_PORT};
    delete $json->{server}{$_}
        for qw(HTTP_ASYNC_JOB_ID HTTP_ASYNC_ATTEMPT HTTP_IDEMPOTENCY_KEY
               HTTP_CONNECTION);
    s{/async/}{/sync/} for values %{ $json->{server} };
    return ($json, $port);
}

my @post = (
    headers => ['Content-Type' => 'application/x-www-form-urlencoded',
                'X-Own' => 'mine', 'Cookie' => 'a=b'],
    host    => 'php.test',
);
my $form = 'name=value&list[]=1&list[]=2';
my $sync = $t->request('POST', '/sync/report?a=1&b=%20x', @post,
                       body => $form);
is($sync->{status}, 200, 'the synchronous twin answers');
is_deeply($sync->json->{post}, { name => 'value', list => [1, 2] },
          'and has read the form');

my ($job, $result) = $t->submit_and_wait('/async/report?a=1&b=%20x', @post,
                                         body => $form);
is($job->{status}, 'completed', 'a POST to php-cgi completes');
is($result->{status}, 200, 'its status');
is_deeply([$result->headers('X-Php')], ['one', 'two'], 'its headers');
is($result->header('Content-Type'), $sync->header('Content-Type'),
   'its type');
is($result->json->{server}{HTTP_ASYNC_JOB_ID}, $job->{id},
   'PHP was told the job');
is($result->json->{server}{HTTP_ASYNC_ATTEMPT}, 1, 'and the attempt');
like($result->json->{server}{REMOTE_PORT}, qr/^[1-9]\d*$/, 'a client port');
my ($got, undef)    = facts($result);
my ($expect, undef) = facts($sync);
is_deeply($got, $expect, 'all else that PHP saw is the same')
    or diag($result->{body}, "\n", $sync->{body});
is($got->{server}{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR');
is($got->{server}{REQUEST_METHOD}, 'POST', 'REQUEST_METHOD');
is($got->{server}{QUERY_STRING}, 'a=1&b=%20x', 'QUERY_STRING');
ok(!exists $got->{server}{HTTPS}, 'no HTTPS');

# the same over TLS
sub tls {
    my ($target, @args) = @_;
    my $tls = $t->port('TLS');
    return $t->curl('-k', '--connect-to', "::127.0.0.1:$tls", @args,
                    "https://php.test:$tls$target");
}

my $accepted = tls('/async/report?tls=1', '-d', $form);
is($accepted->{status}, 202, 'a POST over TLS is accepted');
my $path = $t->job_path($accepted);
is($t->wait_job($path)->{status}, 'completed', 'and completes');
$sync   = tls('/sync/report?tls=1', '-d', $form);
$result = tls("$path/result");
($got)    = facts($result);
($expect) = facts($sync);
is_deeply($got, $expect, 'PHP saw the same as from the synchronous twin')
    or diag($result->{body}, "\n", $sync->{body});
is($got->{server}{HTTPS}, 'on', 'HTTPS');
is($got->{server}{REQUEST_SCHEME}, 'https', 'the scheme');
is($got->{server}{SERVER_PORT}, $t->port('TLS'), 'the port');

# large bodies both ways
my $large = pattern(2_000_000);
($job, $result) = $t->submit_and_wait('/async/report', host => 'php.test',
    headers => ['Content-Type' => 'text/plain'], body => $large);
is($result->json->{length}, length $large, 'a body of 2 MB arrives');
is($result->json->{md5}, md5_hex($large), 'byte for byte');

($job, $result) = $t->submit_and_wait('/async/report?size=2000000',
                                      host => 'php.test', body => 'x');
ok($result->{body} eq '0123456789abcdef' x 125_000,
   'a response of 2 MB comes back');

# slower than fastcgi_read_timeout
is($t->request('POST', '/sync/report?sleep=2', host => 'php.test',
               body => 'x')->{status}, 504, 'the synchronous twin: 504');
($job, $result) = $t->submit_and_wait('/async/report?sleep=2',
                                      host => 'php.test', body => 'x');
is($job->{status}, 'completed', 'slower than fastcgi_read_timeout: completed');

($job, $result) = $t->submit_and_wait('/async/report?status=503',
                                      host => 'php.test', body => 'x');
is($job->{status}, 'failed', 'a 503 of PHP fails the job');
is($job->{error}{code}, 'backend-status', 'by its status');
is($result->{status}, 503, 'which is the result');

# php-cgi is gone
ok($t->stop('php', 'TERM', 20), 'php-cgi stops');
($job, $result) = $t->submit_and_wait('/async/report', host => 'php.test',
                                      body => 'x');
is($job->{status}, 'failed', 'no php-cgi: failed');
is($job->{error}{code}, 'backend-unreachable', 'no php-cgi: unreachable');
is($result->{status}, 502, 'no php-cgi: 502');


# --- static files ---------------------------------------------------------

sub lines {
    my ($answer) = @_;
    return { map { $_->[0] => $_->[1] }
             grep { $_->[0] !~ /^(?:Date|Server|Connection|Async-Result)$/ }
             @{ $answer->{lines} } };
}

for my $file (qw(small.txt large.bin empty.txt)) {
    my $plain = $t->get("/plain/$file");
    my ($job, $result) = $t->submit_and_wait("/files/$file",
                                             method => 'GET', body => undef);
    is($job->{status}, 'completed', "$file: completed");
    is($result->{status}, 200, "$file: 200");
    ok($result->{body} eq $plain->{body},
       "$file: its content, " . length($plain->{body}) . ' bytes');
    is_deeply(lines($result), lines($plain), "$file: its headers");
    is($result->header('Async-Result'), 200, "$file: Async-Result");

    my $path  = $t->job_path($job->{statusUrl});
    my $etag  = $plain->header('ETag');
    my $again = $t->get("$path/result", headers => ['If-None-Match' => $etag]);
    is($again->{status}, 304, "$file: a conditional on its ETag");

    next if !length $plain->{body};
    my $part = $t->get("$path/result", headers => [Range => 'bytes=2-4']);
    is($part->{status}, 206, "$file: a range");
    is($part->{body}, substr($plain->{body}, 2, 3), "$file: its bytes");
}

($job, $result) = $t->submit_and_wait('/files/none', method => 'GET',
                                      body => undef);
is($job->{status}, 'failed', 'no such file: failed');
is($job->{error}{code}, 'backend-status', 'no such file: by its status');
is($result->{status}, 404, 'no such file: 404');

$t->done;
done_testing;
