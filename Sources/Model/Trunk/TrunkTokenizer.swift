import Files
import StrictJSON
import Tokenization

extension TokenizerLists {
    /// The same tokenizer, with roles that only `generation_config.json` or `config.json` of the directory names.
    func named(in directory: String) throws -> TokenizerLists {
        var named = self
        for name in ["generation_config.json", "config.json"] where FileKind(of: "\(directory)/\(name)") != nil {
            let settings = try JSON(file: "\(directory)/\(name)")
            for role in Role.allCases where named.roles[role] == nil {
                let given = settings["\(role.rawValue)_id"]
                if let id = given?.integer ?? given?.array?.first?.integer, words.indices.contains(id) { named.roles[role] = id }
            }
        }
        return named
    }
}
