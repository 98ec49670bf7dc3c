using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;
using VmRepl.Nbd;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands;

/// <summary>Arguments and options that several commands have. Each call makes a new one: a symbol belongs to one command.</summary>
internal static class SharedOptions
{
    public static Argument<string> Group()
    {
        var group = new Argument<string>("GROUP") { Description = "The protection group's name." };
        group.Validators.Add(result => RequireName(result, "a group's name"));
        return group;
    }

    public static Option<string> Socket(CommandContext context) => new("--socket")
    {
        Description = $"The agent's Unix socket. Default: ${AgentSocket.Variable}, or the platform's usual place.",
        HelpName = "PATH",
        DefaultValueFactory = _ => AgentSocket.Default(context.Environment),
        CustomParser = FullPath,
    };

    public static Option<string?> Path(string name, string description, string helpName, bool required = false) =>
        new(name) { Description = description, HelpName = helpName, Required = required, CustomParser = FullPath };

    public static Option<string[]> Allow() => Directories("--allow", "A directory that absolute references inside images may lead to, besides each image's own. May be repeated.");

    public static Option<string[]> Directories(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "DIR",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => [.. result.Tokens.Select(t => FullPath(result, t.Value))],
    };

    public static Option<PeerAddress?> Address(string name, string description, bool required = false, bool anyPort = false) => new(name)
    {
        Description = description,
        HelpName = "HOST:PORT",
        Required = required,
        CustomParser = result =>
        {
            if (AddressText.TryParse(result.Tokens[0].Value, anyPort, out var address, out var problem)) return address;
            result.AddError($"{name}: {problem}");
            return null;
        },
    };

    public static Option<NbdAddress?> NbdListen() => new("--nbd")
    {
        Description = "Serve live images and points of the past over NBD there. Beyond loopback only with certificates; a Unix socket is this user's alone.",
        HelpName = "HOST:PORT|unix:PATH",
        CustomParser = result =>
        {
            if (NbdAddressText.TryParse(result.Tokens[0].Value, out var address, out var problem)) return address;
            result.AddError($"--nbd: {problem}");
            return null;
        },
    };

    /// <param name="name">--at or --to.</param>
    public static Option<PointChoice?> Point(string name, string description, bool required = false) => new(name)
    {
        Description = description,
        HelpName = "latest|TIME|SEQUENCE|BOOKMARK",
        Required = required,
        CustomParser = result =>
        {
            if (PointText.TryParse(result.Tokens[0].Value, out var choice, out var problem)) return choice;
            result.AddError(problem.Replace("--at:", $"{name}:", StringComparison.Ordinal));
            return null;
        },
    };

    public static void RequireName(ArgumentResult result, string what)
    {
        foreach (var token in result.Tokens)
        {
            if (!NameRule.IsValid(token.Value)) result.AddError($"\"{token.Value}\" cannot be {what}: {NameRule.Text}.");
        }
    }

    public static string FullPath(ArgumentResult result) => FullPath(result, result.Tokens[0].Value);

    private static string FullPath(ArgumentResult result, string path)
    {
        if (path.Length > 0 && !path.Contains('\0', StringComparison.Ordinal)) return System.IO.Path.GetFullPath(path);
        result.AddError("A path is empty.");
        return "";
    }
}
