#!/usr/bin/env perl

# uwsgi_pass and scgi_pass: a backend that speaks either sees the request that
# it would have seen without us, and its answer is the result.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;


my $params = <<'END';
    %s_param REQUEST_METHOD $request_method;
    %s_param REQUEST_URI $request_uri;
    %s_param QUERY_STRING $query_string;
    %s_param CONTENT_TYPE $content_type;
    %s_param CONTENT_LENGTH $content_length;
    %s_param REMOTE_ADDR $remote_addr;
    %s_param REMOTE_PORT $remote_port;
    %s_param SERVER_PROTOCOL $server_protocol;
END

my $locations = '';

for my $kind (qw(uwsgi scgi)) {
    my $pass = "%%PORT_\U$kind\E%%";
    my $all  = $params =~ s/%s/$kind/gr;

    $locations .= <<"END";
    location /$kind/ {
        async on;
        async_retry off;
        ${kind}_read_timeout 100ms;
        ${kind}_pass 127.0.0.1:$pass;
$all
    }

    location /plain/$kind/ {
        ${kind}_pass 127.0.0.1:$pass;
$all
    }
END
}

my $t = AsyncTest->new(http => <<"END");
    server {
        listen 127.0.0.1:%%PORT%%;
$locations
        location /jobs/ { async_status; }
    }
END


# --- the backend ----------------------------------------------------------

sub bytes {
    my ($client, $n) = @_;
    my $got = '';

    while (length $got < $n) {
        read $client, $got, $n - length $got, length $got or last;
    }

    return $got;
}


# what was said before the body
my %head = (
    uwsgi => sub {
        my ($client) = @_;
        my (undef, $size) = unpack 'Cv', bytes($client, 4);
        return unpack '(v/a*)*', bytes($client, $size);
    },

    scgi => sub {
        my ($client) = @_;
        local $/ = ':';
        my $size = (readline $client) =~ s/:$//r;
        my %said = split /\0/, bytes($client, $size) =~ s/\0$//r, -1;
        bytes($client, 1);
        return %said;
    },
);


sub serve {
    my ($kind, $server) = @_;

    while (my $client = $server->accept) {
        my %said = $head{$kind}->($client);
        my $body = bytes($client, $said{CONTENT_LENGTH} || 0);
        my ($pause) = ($said{QUERY_STRING} // '') =~ /pause=(\d+)/;
        my $json = JSON::PP->new->canonical->encode(
            { said => \%said, body => $body });

        sleep $pause if $pause;
        print $client $kind eq 'uwsgi' ? 'HTTP/1.1 201 Created'
                                       : 'Status: 201 Created',
              "\r\nContent-Type: application/json\r\nX-Own: $kind\r\n\r\n",
              $json;
        close $client;
    }
}


my @backends;

for my $kind (qw(uwsgi scgi)) {
    my $server = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $t->port(uc $kind),
        Listen => 8, ReuseAddr => 1) or die "$kind: $!";
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        serve($kind, $server);
        POSIX::_exit(0);
    }

    push @backends, $pid;
}

END {
    my $status = $?;
    kill 'KILL', @backends;
    waitpid $_, 0 for @backends;
    $? = $status;
}

$t->start;


# --- both -----------------------------------------------------------------

# the port is the client's own at each request, Connection is hop by hop
sub seen {
    my ($answer) = @_;
    my $json = $answer->json;

    delete $json->{said}{$_}
        for qw(REMOTE_PORT HTTP_CONNECTION HTTP_ASYNC_JOB_ID
               HTTP_ASYNC_ATTEMPT HTTP_IDEMPOTENCY_KEY);
    s{^/plain}{} for values %{ $json->{said} };
    return $json;
}


for my $kind (qw(uwsgi scgi)) {
    my @post  = (host => 'gateway.test', body => "some\0words",
                 headers => ['Content-Type' => 'text/x-own', 'X-Own' => 'a']);
    my $plain = $t->request('POST', "/plain/$kind/a?b=%20c", @post);
    my ($job, $result) = $t->submit_and_wait("/$kind/a?b=%20c", @post);

    is($plain->{status}, 201, "$kind: the synchronous twin answers");
    is($job->{status}, 'completed', "$kind: completed");
    is($result->{status}, 201, "$kind: its status");
    is($result->header('X-Own'), $kind, "$kind: its headers");
    is($result->json->{said}{HTTP_ASYNC_JOB_ID}, $job->{id},
       "$kind: it was told the job");
    is_deeply(seen($result), seen($plain), "$kind: and all else as ever");

    ($job) = $t->submit_and_wait("/$kind/?pause=1", @post);
    is($job->{status}, 'completed', "$kind: slower than its read timeout, it runs to its end");
}

$t->done;
done_testing;
