#!/usr/bin/env perl

# Callback URLs of clients who mean us ill, where any public host may be
# called: each is refused with a clear problem, or its job is made and nothing
# is connected to.  A listener counts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncHooks;
use AsyncPreload;
use AsyncTest;
use IO::Socket::INET;
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue many concurrency=50;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name localhost;

        location /reports {
            async on queue=many;
            async_callback $http_x_callback_url;
            async_callback_allow public;
            async_callback_secret %%ROOT%%/secret per=host;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $target   = $t->port('target');
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Blocking => 0,
                                  LocalPort => $target, Listen => 128,
                                  ReuseAddr => 1) or die "no listener: $!";

my @invalid = split /\n/, <<"END";
https://
https:///in
https://:443/in
//127.0.0.1:$target/
127.0.0.1:$target
javascript:alert(1)
file:///etc/passwd
ftp://127.0.0.1:$target/
gopher://127.0.0.1:$target/
dict://127.0.0.1:$target/
unix:/var/run/docker.sock
https+unix://%2Fvar%2Frun%2Fdocker.sock/
https://2130706433:$target/
https://017700000001:$target/
https://0x7f000001:$target/
https://0x7f.1:$target/
https://0x7f.0.0.1:$target/
https://0177.0.0.1:$target/
https://127.1:$target/
https://127.0.1:$target/
https://127.0.0.01:$target/
https://127.0.0.1.:$target/
https://127.0.0.256:$target/
https://256.0.0.1:$target/
https://1.2.3:$target/
https://0:$target/
https://0x0:$target/
https://4294967297:$target/
https://[::1:$target/
https://::1:$target/
https://[::1%25lo]:$target/
https://[fe80::1%25eth0]:$target/
https://[127.0.0.1]:$target/
https://[::ffff:127.0.0.1.]:$target/
https://[v1.fe80]:$target/
https://user\@127.0.0.1:$target/
https://user:pass\@example.com/
https://example.com\@127.0.0.1:$target/
https://127.0.0.1:$target\@example.com/
https://example.com:pass\@127.0.0.1:$target/
https://\@127.0.0.1:$target/
https://:\@127.0.0.1:$target/
https://example.com#\@127.0.0.1:$target/
https://example.com/#fragment
https://example.com\\\@127.0.0.1:$target/
https:\\\\127.0.0.1:$target\\
https:/127.0.0.1:$target/
https:127.0.0.1:$target/
https://example.com:0/
https://example.com:65536/
https://example.com:/
https://example.com:08443/
https://example.com:80:80/
https://example.com:8a/
https://example..com/
https://.example.com/
https://example.com./
https://-example.com/
https://example-.com/
https://exa mple.com/
https://example.com/ HTTP/1.1
https://example.com/\tx
https://ex\xc3\xa4mple.com/
https://\xe2\x93\xa1ocalhost:$target/
https://127\xe3\x80\x820\xe3\x80\x820\xe3\x80\x821:$target/
https://%31%32%37.0.0.1:$target/
https://localhost%00.example.com/
https://example.com/%zz
https://example.com/%2
https://example.com/<script>
https://example.com/\x7f
https://a.1/
https://example.0x1/
END
push @invalid, 'https://' . 'a' x 64 . '.example.com/',
     'https://' . 'a.' x 130 . 'com/', 'https://example.com/' . 'x' x 2048;

my @refused = split /\n/, <<"END";
http://example.com/
HTTP://EXAMPLE.COM/
https://127.0.0.1:$target/
https://127.255.255.254:$target/
https://0.0.0.0:$target/
https://10.0.0.1/
https://172.16.0.1/
https://172.31.255.255/
https://192.168.1.1/
https://169.254.169.254/latest/meta-data/
https://100.64.0.1/
https://192.0.2.1/
https://198.18.0.1/
https://203.0.113.1/
https://224.0.0.1/
https://240.0.0.1/
https://255.255.255.255/
https://[::1]:$target/
https://[::]:$target/
https://[::ffff:127.0.0.1]:$target/
https://[::ffff:7f00:1]:$target/
https://[0:0:0:0:0:ffff:7f00:1]:$target/
https://[::127.0.0.1]:$target/
https://[64:ff9b::127.0.0.1]:$target/
https://[64:ff9b::7f00:1]:$target/
https://[64:ff9b:1::7f00:1]:$target/
https://[2002:7f00:1::]:$target/
https://[2002:a00:1::1]/
https://[2001::7f00:1]/
https://[fe80::1]/
https://[fc00::1]/
https://[fd00:ec2::254]/
https://[ff02::1]/
https://[2001:db8::1]/
https://[fec0::1]/
https://[100::1]/
END

# what these names mean, from one time that they are asked for to the next
my %names = (
    'loop.test'     => ['127.0.0.1'],
    'zero.test'     => ['0.0.0.0'],
    'ten.test'      => ['10.0.0.1'],
    'metadata.test' => ['169.254.169.254'],
    'six.test'      => ['::1'],
    'mapped.test'   => ['::ffff:127.0.0.1'],
    'nat64.test'    => ['64:ff9b::7f00:1'],
    'sixtofour.test' => ['2002:7f00:1::'],
    'compat.test'   => ['::127.0.0.1'],
    'unique.test'   => ['fd00::1'],
    'all.test'      => ['10.0.0.1 127.0.0.1 ::1'],
    'rebind.test'   => ['192.168.0.1', '127.0.0.1'],
    'xn--local-8na.test' => ['127.0.0.1'],
);

secret($t, 'secret');
$t->write_file("$t->{root}/names", join '', map {
    my $name = $_;
    map { "$name $_\n" } @{ $names{$name} }
} sort keys %names);
chmod 0644, "$t->{root}/names";

my $control = AsyncPreload->new($t, 'names');

$t->start_backend;
$t->start_nginx;

{
    local $ENV{FAULT_NAMES} = "$t->{root}/names";
    $control->preloaded(sub { $t->start_worker });
}


sub connections {
    my $n = 0;
    $n++ while $listener->accept;
    return $n;
}


sub given {
    my ($url) = @_;
    return $t->request('POST', '/reports', body => 'x',
                       headers => ['X-Callback-Url', $url]);
}


sub shown { return substr($_[0] =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger, 0, 80) }


cmp_ok(@invalid + @refused + keys %names, '>=', 80, 'there are enough of them');

for my $case ((map { [$_, 'callback-invalid'] } @invalid),
              (map { [$_, 'callback-refused'] } @refused))
{
    my ($url, $code) = @$case;
    my $answer = given($url);
    my $json   = $answer->{status} == 400 ? $answer->json : {};
    is("$answer->{status} " . ($json->{code} // ''), "400 $code", shown($url))
        or diag($answer->{head}, $answer->{body});
    like($json->{detail}, qr/^The callback URL .{5,}\.$/, '  and it says why');
}

my %jobs = map { my $a = given("https://$_:$target/in");
                 ($_ => $a->{status} == 202 ? $t->job_path($a) : undef) }
           sort keys %names;

for my $name (sort keys %names) {
    my $line = poll_until(30, sub {
        my ($first) = webhook_lines($t, $jobs{$name});
        return $first;
    }) || {};
    is($line->{error}, 'address-refused', "$name: not connected");
    is($line->{event}, 'webhook-failed', '  and tried again');
}

# the second time it means something else, and is refused as well
my ($second) = poll_until(30, sub { (webhook_lines($t, $jobs{'rebind.test'}))[1] });
is($second->{error}, 'address-refused', 'a name that has changed');

is(connections(), 0, 'nobody was connected to');

$t->done;
done_testing;
