package AsyncHooks;

# What tests of webhooks share: a receiver in Node.js (t/lib/node/receiver.js)
# and what it has got, and secrets.
#
#   my $secret = secret($t, 'secret');           # made by keygen, in a file
#   receiver($t, 'receiver', $secret);           # listens on %%PORT_receiver%%
#   my @got = deliveries($t, 'receiver', '/status/204');

use strict;
use warnings;

use AsyncTest;
use Exporter qw(import);
use JSON::PP ();
use Test::More;

our @EXPORT = qw(behave deliveries history receiver secret webhook_lines
                 with_callback);


# a secret in a file of the test's folder that the worker can read
sub secret {
    my ($t, $name, $key) = @_;

    if (!defined $key) {
        my ($code, $out) = $t->command('keygen');
        die "keygen: $out" if $code;
        ($key) = $out =~ /(whsec_\S+)/;
    }

    $t->write_file("$t->{root}/$name", "$key\n");
    chmod 0640, "$t->{root}/$name";
    my ($uid, $gid) = (stat $t->{root})[4, 5];
    chown $uid, $gid, "$t->{root}/$name" if $> == 0;
    return $key;
}


# listens when it returns
sub receiver {
    my ($t, $name, $secrets, @tls) = @_;
    local $ENV{NODE_PATH} = "$t->{top}/build/node/node_modules";
    $t->spawn($name, 'node', "$t->{top}/t/lib/node/receiver.js",
              $t->port($name), "$t->{root}/$name.json", $secrets, @tls);
    poll_until(30, sub { -e "$t->{root}/$name.json"
                         && $t->_listening($t->port($name), 0) })
        or die "the receiver does not listen\n";
    return;
}


# what /as/NAME does from now on
sub behave {
    my ($t, $receiver, $name, $path) = @_;
    my $answer = $t->request('PUT', $name =~ m{^/} ? $name : "/as/$name",
                             port => $receiver, body => $path);
    die "no receiver\n" if $answer->{status} != 204;
    return;
}


# what it got: all, or of a path
sub deliveries {
    my ($t, $receiver, $path) = @_;
    my @got = map { JSON::PP::decode_json($_) }
              split /\n/, AsyncTest::slurp("$t->{root}/$receiver.json") // '';
    return grep { !defined $path || $_->{path} eq $path } @got;
}


# a job with a callback, on a plain receiver: its path
sub with_callback {
    my ($t, $target, $url, @rest) = @_;
    return $t->job_path($t->submit($target, body => 'x', @rest,
                                   headers => ['X-Callback-Url', $url]));
}


sub history {
    my ($t, $job) = @_;
    return @{ $t->get("$job/history")->json->{events} };
}


# lines of its history that are a webhook's
sub webhook_lines {
    my ($t, $job) = @_;
    return grep { $_->{event} =~ /^webhook-/ } history($t, $job);
}


1;
